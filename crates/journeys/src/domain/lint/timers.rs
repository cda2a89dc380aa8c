//! Timers that never fire, and waits that no exception ends.

use super::Rule;
use crate::domain::definition::{Definition, Kind, Sequence, Stage, Wait};

pub(super) fn look(definition: &Definition, say: &mut impl FnMut(Rule, String, String)) {
    for (n, stage) in definition.stages.iter().enumerate() {
        for (m, timer) in stage.enter_after.iter().enumerate() {
            let path = format!("stages[{n}].enter_after[{m}]");
            if let Some(message) = never_fires(definition, stage, timer) {
                say(Rule::TimerNeverFires, path, message);
            } else if stage.kind == Kind::Step && has_no_exit(definition, timer) {
                let message = format!(
                    "no exception ends the wait for `{}`: none is among its `unless`, and none is terminal",
                    stage.key
                );
                say(Rule::WaitWithoutExit, path, message);
            }
        }
    }
}

/// Why a timer can never enter its stage, if it cannot.
fn never_fires(definition: &Definition, target: &Stage, timer: &Wait) -> Option<String> {
    let source = definition.stage(&timer.after)?;
    if timer.unless.contains(&source.key) {
        return Some(format!("it waits after `{}`, and not at all once that is entered", source.key));
    }
    if definition.sequence == Sequence::Optional || source.kind == Kind::Exception {
        return None;
    }
    let (from, to) = (definition.index_of(&source.key)?, definition.index_of(&target.key)?);
    if target.kind == Kind::Step && from > to {
        return Some(format!(
            "`{}` is a later step than `{}`, and this journey does not go back",
            source.key, target.key
        ));
    }
    // entered by every run that comes as far as the source
    let passed = |key| {
        definition.stage(key).is_some_and(|s| s.kind == Kind::Step && !s.optional)
            && definition.index_of(key).is_some_and(|at| at < from)
    };
    let moot = timer.unless.iter().find(|key| passed(key))?;
    Some(format!("every run has entered `{moot}` before `{}`, so it is always moot", source.key))
}

/// Whether there are exceptions, and none of them ends the wait.
fn has_no_exit(definition: &Definition, timer: &Wait) -> bool {
    let mut exceptions = definition.stages.iter().filter(|s| s.kind == Kind::Exception).peekable();
    exceptions.peek().is_some()
        && exceptions.all(|exception| !exception.terminal && !timer.unless.contains(&exception.key))
}
