//! What a service says of settings that are wrong.

use anyhow::Context;
use tests::process::Deployment;

use crate::load::PATIENCE;

#[tokio::test]
async fn a_service_says_in_one_line_what_is_wrong_with_its_settings() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let files = tempfile::tempdir()?;
    let file = files.path().join("laurel.toml");
    std::fs::write(&file, "database_url = postgres://somebody:secret@localhost/laurel\n")?;
    let file = file.to_str().unwrap_or_default();
    let wrong = [
        ("LAUREL_LISTEN", "0.0.0.0:0", "will not listen on 0.0.0.0:0 without authentication"),
        ("LAUREL_LISTEN", "localhost", "invalid socket address"),
        ("LAUREL_TLS_CERT", "/nowhere.pem", "LAUREL_TLS_CERT needs LAUREL_TLS_KEY beside it"),
        ("LAUREL_JWKS", "/nowhere.json", "LAUREL_JWKS needs LAUREL_ISSUER and LAUREL_AUDIENCE beside it"),
        (
            "LAUREL_DATABASE_URL_FILE",
            "/nowhere",
            "LAUREL_DATABASE_URL_FILE: cannot read /nowhere: No such file",
        ),
        ("LAUREL_DATABASE_URL", "somebody:secret@localhost", "LAUREL_DATABASE_URL is not a postgres:// URL"),
        ("LAUREL_DATABASE_URL", "postgres://somebody:secret@127.0.0.1:1/laurel", "Connection refused"),
        ("LAUREL_TOKEN_FILE", "/nowhere", "the token file /nowhere cannot be read: No such file"),
        ("LAUREL_ATTRIBUTION_URL", "nowhere:7601", "LAUREL_ATTRIBUTION_URL has to begin with http://"),
        ("LAUREL_TLS_CA", "/nowhere.pem", "LAUREL_TLS_CA: cannot read /nowhere.pem: No such file"),
        ("LAUREL_CONFIG", file, "TOML parse error at line 1"),
        ("LAUREL_LISTNE", "127.0.0.1:0", "unknown field"),
        ("LAUREL_LOG_FORMAT", "jsno", "found `jsno`"),
        ("LAUREL_HEALTH_LISTEN", "localhost", "invalid socket address"),
    ];
    for (name, value, told) in wrong {
        let mut command = deployment.command("orders")?;
        command.env("LAUREL_LISTEN", "127.0.0.1:0").env("LAUREL_LOG", "off").env("RUST_BACKTRACE", "1");
        // one that is content would serve for ever
        let mut command = tokio::process::Command::from(command);
        let output = command.env(name, value).kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output).await.with_context(|| name)??;
        assert_eq!(output.status.code(), Some(1), "{name}");
        let text = String::from_utf8(output.stderr)?;
        assert!(text.starts_with("laurel-orders: ") && text.contains(told), "{name}: {text}");
        assert_eq!(text.lines().count(), 1, "{name}: {text}");
        let twice =
            ["No such file", "Connection refused", "invalid"].iter().any(|s| text.matches(s).count() > 1);
        assert!(!twice, "{name}: {text}");
        assert!(!text.contains("secret"), "{name}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_empty_is_none() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let nowhere = deployment.set("LAUREL_METRICS_LISTEN", "").set("LAUREL_HEALTH_LISTEN", "");
    let service = nowhere.start("attribution", &[])?;
    service.terminate()?;
    service.ended()
}
