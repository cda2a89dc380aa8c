//! What the command line says of itself.

use tests::{program, said};

#[test]
fn completion_scripts_are_made_for_each_shell() -> anyhow::Result<()> {
    for (shell, sign) in [("bash", "_laurel()"), ("zsh", "#compdef laurel"), ("fish", "complete -c laurel")] {
        let script = said(program("laurel")?.args(["completion", shell]))?;
        assert!(script.contains(sign) && script.contains("contacts"), "{shell}: {script:.200}");
        assert!(script.contains("logged-inactive"), "{shell} knows no values of arguments");
    }
    let unknown = program("laurel")?.args(["completion", "dos"]).output()?;
    assert_eq!(unknown.status.code(), Some(2));
    Ok(())
}

#[test]
fn the_exit_codes_are_in_the_help() -> anyhow::Result<()> {
    let help = said(program("laurel")?.arg("--help"))?;
    assert!(help.contains("4  no connection, or too busy"), "{help}");
    Ok(())
}
