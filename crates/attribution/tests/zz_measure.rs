mod common;
use common::*;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "m"]
async fn measure() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    for round in 0..4 {
        let start = Instant::now();
        for call in 0..79 {
            let attempts = (0..256).map(|n| by_code(&format!("c{round}-{call}-{n}"), if n % 2 == 0 {"ANN10"} else {"BOB10"})).collect();
            acme.batch(attempts).await;
        }
        println!("new round {round}: {:.0} items/s", 79.0 * 256.0 / start.elapsed().as_secs_f64());
    }
    let start = Instant::now();
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
    println!("new, 4 at once: {:.0} items/s", 80.0 * 256.0 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    for call in 0..79 {
        acme.batch((0..256).map(|n| look_up(&format!("c0-{call}-{n}"))).collect()).await;
    }
    println!("look-ups: {:.0} items/s", 79.0 * 256.0 / start.elapsed().as_secs_f64());
    let start = Instant::now();
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
    println!("enroll+code, 32 at once: {:.0} pairs/s", 2240.0 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    for call in 0..300 {
        acme.record(by_code(&format!("f{call}"), "ANN10")).await;
    }
    println!("unary, one at a time: {:.0}/s", 300.0 / start.elapsed().as_secs_f64());
}
