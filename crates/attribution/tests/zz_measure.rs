mod common;
use common::*;
use std::time::Instant;

fn cpu() -> (f64, f64) {
    let ticks = |path: String| -> f64 {
        let Ok(text) = std::fs::read_to_string(path) else { return 0.0 };
        let rest: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        (rest[11].parse::<f64>().unwrap() + rest[12].parse::<f64>().unwrap()) * 10_000.0
    };
    let mut pg = 0.0;
    let me = std::env::var("LAUREL_TEST_POSTGRES").unwrap();
    let pid: String =
        std::fs::read_to_string(format!("{me}/../pg/postmaster.pid")).unwrap().lines().next().unwrap().into();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let p = entry.path().join("stat");
        if let Ok(text) = std::fs::read_to_string(&p) {
            if let Some(rest) = text.rsplit(')').next() {
                if rest.split_whitespace().nth(1) == Some(&pid) {
                    pg += ticks(p.display().to_string());
                }
            }
        }
    }
    (ticks("/proc/self/stat".into()), pg)
}
struct P {
    t: Instant,
    c: (f64, f64),
}
fn begin() -> P {
    P { t: Instant::now(), c: cpu() }
}
fn end(p: P, what: &str, n: f64) {
    let c = cpu();
    println!(
        "{what}: {:.0} items/s wall; us CPU per item: service {:.1} postgres {:.1}",
        n / p.t.elapsed().as_secs_f64(),
        (c.0 - p.c.0) / n,
        (c.1 - p.c.1) / n
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "m"]
async fn measure() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    for r in 0..3 {
        let start = begin();
        for call in 0..300 {
            acme.record(by_code(&format!("g{r}-{call}"), "ANN10")).await;
        }
        end(start, "unary at start", 300.0);
    }
    for round in 0..4 {
        let start = begin();
        for call in 0..79 {
            let attempts = (0..256)
                .map(|n| by_code(&format!("c{round}-{call}-{n}"), if n % 2 == 0 { "ANN10" } else { "BOB10" }))
                .collect();
            acme.batch(attempts).await;
        }
        end(start, &format!("new round {round}"), 79.0 * 256.0);
    }
    let start = begin();
    let mut calls = tokio::task::JoinSet::new();
    for t in 0..4 {
        let acme = acme.clone();
        calls.spawn(async move {
            for call in 0..20 {
                let attempts = (0..256).map(|n| by_code(&format!("d{t}-{call}-{n}"), "ANN10")).collect();
                acme.batch(attempts).await;
            }
        });
    }
    calls.join_all().await;
    end(start, "new, 4 at once", 80.0 * 256.0);
    let start = begin();
    for call in 0..79 {
        acme.batch((0..256).map(|n| look_up(&format!("c0-{call}-{n}"))).collect()).await;
    }
    end(start, "look-ups", 79.0 * 256.0);
    let start = begin();
    let mut calls = tokio::task::JoinSet::new();
    for t in 0..32 {
        let acme = acme.clone();
        calls.spawn(async move {
            for call in 0..70 {
                acme.enroll(&format!("e{t}-{call}"), &["vips"]).await;
                acme.code("spring", &format!("e{t}-{call}"), "").await;
            }
        });
    }
    calls.join_all().await;
    end(start, "enroll+code, 32 at once", 2240.0);
    let start = begin();
    for call in 0..300 {
        acme.record(by_code(&format!("f{call}"), "ANN10")).await;
    }
    end(start, "unary, one at a time", 300.0);
}
