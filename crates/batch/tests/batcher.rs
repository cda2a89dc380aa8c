//! What a batcher promises, whatever its work is.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use batch::{Batcher, Lane, Options, Prepared, Refused, Work};
use tokio::sync::Semaphore;

/// A command of this worth cannot be stored.
const BAD: u32 = 666;
/// One that brings out a bug.
const BUG: u32 = 667;
/// One that brings out a bug while it is prepared.
const EARLY_BUG: u32 = 668;

#[derive(Clone, Copy)]
enum Fault {
    Contention,
    CommitUnknown,
}

#[derive(Clone, Default)]
struct Ledger {
    slices: Arc<Mutex<Vec<Vec<u32>>>>,
    tries: Arc<AtomicUsize>,
    faults: Arc<Mutex<Vec<Fault>>>,
    gate: Option<Arc<Semaphore>>,
}

impl Work for Ledger {
    type Command = u32;
    type Prepared = u32;
    type Answer = u32;
    type Error = Refused;

    fn weight(_: &u32) -> usize {
        1
    }

    fn is_transient(error: &Refused) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<u32>) -> Vec<Prepared<u32, u32, Refused>> {
        assert!(!commands.contains(&EARLY_BUG), "a bug");
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, slice: &[u32]) -> Result<Vec<Result<u32, Refused>>, pg::Error> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.tries.fetch_add(1, Ordering::SeqCst);
        let fault = self.faults.lock().unwrap().pop();
        match fault {
            Some(Fault::Contention) => return Err(pg::Error::Contention(sqlx::Error::RowNotFound)),
            Some(Fault::CommitUnknown) => return Err(pg::Error::CommitUnknown(sqlx::Error::RowNotFound)),
            None => {}
        }
        assert!(!slice.contains(&BUG), "a bug");
        if slice.contains(&BAD) {
            return Err(pg::Error::Data(sqlx::Error::RowNotFound));
        }
        self.slices.lock().unwrap().push(slice.to_vec());
        Ok(slice.iter().map(|n| Ok(n * 2)).collect())
    }
}

impl Ledger {
    fn applied(&self) -> Vec<u32> {
        self.slices.lock().unwrap().concat()
    }
}

#[tokio::test]
async fn commands_that_wait_together_are_applied_together_and_in_order() {
    let ledger = Ledger { gate: Some(Arc::new(Semaphore::new(0))), ..Ledger::default() };
    let batcher = Batcher::start(ledger.clone(), Options { slice: 50, ..Options::default() });
    let (mut lane, mut pending) = (Lane::default(), Vec::new());
    for n in 0..200 {
        pending.push(batcher.enqueue(n, &mut lane).await);
    }
    ledger.gate.as_ref().unwrap().add_permits(1000);
    for (n, pending) in (0..).zip(pending) {
        assert_eq!(pending.answer().await, Ok(n * 2));
    }
    assert_eq!(ledger.applied(), (0..200).collect::<Vec<_>>());
    let slices = ledger.slices.lock().unwrap();
    assert!(slices.len() <= 6, "{} transactions for 200 commands", slices.len());
    assert!(slices.iter().all(|slice| slice.len() <= 50));
}

#[tokio::test]
async fn a_bad_command_fails_alone() {
    let ledger = Ledger::default();
    let batcher = Batcher::start(ledger.clone(), Options::default());
    let answers = batcher.run_all(vec![1, 2, BAD, 3, 4, 5, 6]).await;
    let expected = [Ok(2), Ok(4), Err(Refused::Bug), Ok(6), Ok(8), Ok(10), Ok(12)];
    assert_eq!(answers, expected);
    assert_eq!(ledger.applied(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_panic_is_answered_and_the_batcher_goes_on() {
    let ledger = Ledger::default();
    let batcher = Batcher::start(ledger.clone(), Options::default());
    let answers = batcher.run_all(vec![1, BUG, 2, 3]).await;
    assert_eq!(answers, [Ok(2), Err(Refused::Bug), Ok(4), Ok(6)]);
    assert_eq!(batcher.run(EARLY_BUG).await, Err(Refused::Bug));
    assert_eq!(batcher.run(4).await, Ok(8));
}

#[tokio::test]
async fn a_slice_that_lost_a_race_is_repeated_three_times() {
    let ledger = Ledger::default();
    ledger.faults.lock().unwrap().extend([Fault::Contention; 3]);
    let batcher = Batcher::start(ledger.clone(), Options::default());
    assert_eq!(batcher.run(7).await, Ok(14));
    ledger.faults.lock().unwrap().extend([Fault::Contention; 4]);
    assert_eq!(batcher.run(8).await, Err(Refused::Contention));
    assert_eq!(ledger.applied(), [7]);
}

#[tokio::test]
async fn nothing_is_repeated_once_commit_was_sent() {
    let ledger = Ledger::default();
    ledger.faults.lock().unwrap().push(Fault::CommitUnknown);
    let batcher = Batcher::start(ledger.clone(), Options::default());
    assert_eq!(batcher.run(7).await, Err(Refused::Unavailable));
    assert_eq!(ledger.tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_full_queue_refuses_unary_calls_and_makes_streams_wait() {
    let ledger = Ledger { gate: Some(Arc::new(Semaphore::new(0))), ..Ledger::default() };
    let options = Options { queue_count: 2, queue_bytes: 1000, slice: 1 };
    let batcher = Batcher::start(ledger.clone(), options);
    let mut lane = Lane::default();
    let (first, second) = (batcher.enqueue(1, &mut lane).await, batcher.enqueue(2, &mut lane).await);
    assert_eq!(batcher.run(3).await, Err(Refused::Full));
    assert_eq!(batcher.depth(), 2);
    let third = tokio::spawn({
        let batcher = batcher.clone();
        async move { batcher.enqueue(3, &mut lane).await.answer().await }
    });
    ledger.gate.as_ref().unwrap().add_permits(3);
    assert_eq!(third.await.unwrap(), Ok(6));
    assert_eq!((first.answer().await, second.answer().await), (Ok(2), Ok(4)));
}

#[tokio::test]
async fn a_queue_is_bounded_in_bytes_too() {
    let ledger = Ledger { gate: Some(Arc::new(Semaphore::new(0))), ..Ledger::default() };
    let options = Options { queue_count: 100, queue_bytes: 1, slice: 1 };
    let batcher = Batcher::start(ledger.clone(), options);
    let first = batcher.enqueue(1, &mut Lane::default()).await;
    assert_eq!(batcher.run(2).await, Err(Refused::Full));
    ledger.gate.as_ref().unwrap().add_permits(1);
    assert_eq!(first.answer().await, Ok(2));
}

#[tokio::test]
async fn what_is_behind_a_transient_failure_in_its_lane_does_not_overtake_it() {
    let ledger = Ledger { gate: Some(Arc::new(Semaphore::new(0))), ..Ledger::default() };
    ledger.faults.lock().unwrap().push(Fault::CommitUnknown);
    let batcher = Batcher::start(ledger.clone(), Options { slice: 2, ..Options::default() });
    let (mut lane, mut other) = (Lane::default(), Lane::default());
    let mut pending = Vec::new();
    // slices of [1, 2], [3, 10], [4, 11]: the first one fails after those behind it were prepared
    for n in [1, 2, 3] {
        pending.push(batcher.enqueue(n, &mut lane).await);
    }
    pending.push(batcher.enqueue(10, &mut other).await);
    pending.push(batcher.enqueue(4, &mut lane).await);
    pending.push(batcher.enqueue(11, &mut other).await);
    ledger.gate.as_ref().unwrap().add_permits(3);
    let mut answers = Vec::new();
    for pending in pending {
        answers.push(pending.answer().await);
    }
    let (failed, behind) = (Err(Refused::Unavailable), Err(Refused::Behind));
    assert_eq!(answers, [failed, failed, behind, Ok(20), behind, Ok(22)]);
    assert_eq!(ledger.applied(), [10, 11]);
    // what is repeated goes in a lane of its own
    ledger.gate.as_ref().unwrap().add_permits(9);
    assert_eq!(batcher.run_all(vec![1, 2, 3, 4]).await, [Ok(2), Ok(4), Ok(6), Ok(8)]);
}

#[tokio::test]
async fn a_command_that_can_never_be_carried_out_holds_up_nothing() {
    let ledger = Ledger::default();
    let batcher = Batcher::start(ledger.clone(), Options { slice: 1, ..Options::default() });
    let answers = batcher.run_all(vec![1, BAD, 2, BUG, 3]).await;
    assert_eq!(answers, [Ok(2), Err(Refused::Bug), Ok(4), Err(Refused::Bug), Ok(6)]);
}
