//! Putting the result of a merge into index and files.

use super::switch::{Doing, Plan};
use super::trees::Merged;
use crate::fail::Outcome;
use crate::out::outln;
use crate::place::Place;
use crate::stage::{self, Stage};
use crate::tree::Item;
use crate::work::Work;

/// Does it, and tells what happened; returns whether all is settled.
pub(crate) fn apply(
    place: &Place,
    stage: &mut Stage,
    merged: &Merged,
    doing: &Doing,
) -> Outcome<bool> {
    let mut changes = merged.changes.clone();
    for conflict in &merged.conflicts {
        let file = conflict.file.map(|(mode, id)| Item { path: conflict.path.clone(), mode, id });
        let ours = conflict.stages[1].clone().filter(|item| item.path == conflict.path);
        changes.push((ours, file));
    }
    let plan = Plan::make(place, stage, &changes, doing)?;
    plan.run(place, stage)?;
    let work = Work::new(place);
    for conflict in &merged.conflicts {
        if let Some((mode, id)) = conflict.file
            && work.find(&conflict.path).is_none()
        {
            work.write(&conflict.path, mode, id)?;
        }
        stage.remove(&conflict.path);
        for (n, item) in conflict.stages.iter().enumerate() {
            if let Some(item) = item {
                stage.index.add(&stage::staged(
                    &conflict.path,
                    item.mode,
                    item.id,
                    n as u16 + 1,
                ))?;
            }
        }
    }
    for message in &merged.messages {
        outln!("{message}");
    }
    stage.write()?;
    Ok(merged.conflicts.is_empty())
}
