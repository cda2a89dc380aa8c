//! What an import says of a file.

use tonic::{Response, Status, Streaming};

/// Hands each answer of an import to `read`, until that finds the summary: it is the last one.
pub async fn summary<A, S>(
    answers: Result<Response<Streaming<A>>, Status>,
    mut read: impl FnMut(A) -> Option<S>,
) -> Result<S, Status> {
    let mut answers = answers?.into_inner();
    while let Some(answer) = answers.message().await? {
        if let Some(summary) = read(answer) {
            assert!(answers.message().await?.is_none(), "the summary is the last message");
            return Ok(summary);
        }
    }
    Err(Status::unknown("the import ended without a summary"))
}
