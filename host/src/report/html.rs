//! One page to look at: the funnel, the tasks, and every attempt with its verdict, its patch and its trajectory.

use std::path::Path;

use super::{Attempt, Fate, Item, Prices, Report, Stage, Task, Totals};
use crate::{
    atif::{Source, Step, ToolCall, Trajectory},
    page::{self, Page},
    record::{AttemptRecord, RecordError},
    rollout::TaskState,
};

/// Characters of one message, call or result that are shown.
const MAX_TEXT_CHARS: usize = 20_000;

/// Returns the page. `prices` say what tokens cost, if anybody knows.
///
/// # Errors
///
/// Fails if a trajectory or a patch cannot be read.
pub fn html(report: &Report, prices: Option<Prices>) -> Result<String, RecordError> {
    let mut page = Page::titled("Run ", &report.run_id);
    head(&mut page, report);
    figures(&mut page, report, prices);
    if !report.tasks.is_empty() {
        tasks(&mut page, report);
    }
    if !report.items.is_empty() {
        items(&mut page, report);
    }
    funnel(&mut page, &report.stages);
    page.raw("<section class=\"files\">\n<h2>Attempts</h2>\n");
    for attempt in &report.attempts {
        write_attempt(&mut page, &report.folder, attempt, prices)?;
    }
    page.raw("</section>\n");
    Ok(page.finish())
}

fn head(page: &mut Page, report: &Report) {
    page.raw("<header>\n<h1>Run</h1>\n<p class=\"command\">").text(&report.repo_name);
    page.raw("</p>\n<p class=\"about\">run <code>").text(&report.run_id).raw("</code>");
    if let Some(model) = &report.model_name {
        page.raw(", model <code>").text(model).raw("</code>");
    }
    page.raw(", playpen ").text(&report.playpen_version).raw("</p>\n");
    if !report.is_complete {
        page.raw("<p class=\"bad\">The run is not complete: it was interrupted, or goes on.</p>\n");
    }
    page.raw("</header>\n");
}

fn figures(page: &mut Page, report: &Report, prices: Option<Prices>) {
    let totals = &report.totals;
    page.raw("<section class=\"figures\">\n");
    page.figure("tasks solved", &of(report.n_solved(), report.tasks.len()), false);
    if !report.items.is_empty() {
        page.figure("variants kept", &of(report.n_kept(), report.items.len()), false);
    }
    page.figure("attempts", &page::grouped(totals.n_attempts), false);
    page.figure("calls to the model", &page::grouped(totals.n_model_calls), false);
    page.figure("tokens read", &page::grouped(totals.usage.prompt_tokens), false);
    page.figure("tokens written", &page::grouped(totals.usage.completion_tokens), false);
    if let Some(prices) = prices {
        page.figure("cost", &dollars(prices.cost(totals.usage)), false);
    }
    page.figure("tool calls", &page::grouped(totals.n_tool_calls), false);
    page.figure("denied accesses", &page::grouped(totals.n_denied), totals.n_denied > 0);
    page.figure("time of attempts", &page::seconds(totals.elapsed_us), false);
    page.raw("</section>\n");
}

fn tasks(page: &mut Page, report: &Report) {
    page.raw("<section>\n<h2>Tasks</h2>\n<div class=\"wide\"><table>\n<tr><th>task</th><th>title</th><th>outcome</th><th>tests</th><th>mutants noticed</th><th>attempts</th></tr>\n");
    for Task { number, report: task } in &report.tasks {
        page.raw("<tr><td class=\"n\">").text(number).raw("</td><td>");
        let Some(task) = task else {
            page.raw("</td><td><em>not finished</em></td><td></td><td></td><td>");
            links(page, report, "tasks", number);
            page.raw("</td></tr>\n");
            continue;
        };
        page.text(&task.title).raw("</td><td class=\"p\">");
        match &task.state {
            TaskState::Solved => page.raw("<em class=\"made\">solved</em>"),
            TaskState::Unsolved { reasons } => {
                page.raw("<em class=\"denied\">unsolved</em> ").text(&reasons.join("; "))
            }
            TaskState::Skipped { because } => {
                page.raw("<em>skipped</em>, waits for ").text(&because.join(", "))
            }
        };
        page.raw("</td><td class=\"n\">")
            .number(task.tests.len() as u64)
            .raw("</td><td class=\"n\">");
        if let Some(score) = task.mutation {
            page.text(&of(score.n_killed, score.n_mutants));
        }
        page.raw("</td><td>");
        links(page, report, "tasks", number);
        page.raw("</td></tr>\n");
    }
    page.raw("</table></div>\n</section>\n");
}

fn items(page: &mut Page, report: &Report) {
    page.raw("<section>\n<h2>Variants</h2>\n<div class=\"wide\"><table>\n<tr><th>variant</th><th>of</th><th>kept</th><th>score</th><th>attempts</th></tr>\n");
    for Item { variant, name, is_kept, score } in &report.items {
        page.raw("<tr><td>").text(variant).raw("</td><td>").text(name).raw("</td><td>");
        page.raw(match is_kept {
            true => "<em class=\"made\">yes</em>",
            false => "<em class=\"denied\">no</em>",
        });
        page.raw("</td><td class=\"n\">");
        if let Some(score) = score {
            page.text(&of(score.n_passed, score.n_wanted));
        }
        page.raw("</td><td>");
        links(page, report, variant, name);
        page.raw("</td></tr>\n");
    }
    page.raw("</table></div>\n</section>\n");
}

/// Adds a link to each attempt at a piece of work.
fn links(page: &mut Page, report: &Report, kind: &str, item: &str) {
    let all = report.attempts.iter();
    for attempt in all.filter(|attempt| attempt.kind == kind && attempt.item == item) {
        page.raw("<a href=\"#").text(&attempt.id).raw("\">").text(&attempt.role).raw(" ");
        page.number(attempt.number.into()).raw("</a> ");
    }
}

fn funnel(page: &mut Page, stages: &[Stage]) {
    page.raw("<section>\n<h2>Funnel</h2>\n<p class=\"about\">Pieces of work, not attempts: those of which an attempt came through each gate and all before it.</p>\n");
    for stage in stages {
        page.raw("<h3>");
        stage_name(page, &stage.kind, &stage.role);
        page.raw("</h3>\n<p class=\"about\">");
        page.text(&of(stage.n_accepted, stage.n_items)).raw(" accepted, ");
        page.number(stage.n_accepted_at_once as u64).raw(" at the first attempt, ");
        page.number(stage.totals.n_attempts).raw(" attempts");
        for (index, (reason, n)) in stage.reasons.iter().enumerate() {
            page.raw(if index == 0 { "; refused for <code>" } else { ", <code>" });
            page.text(reason).raw("</code> ").number(*n as u64).raw("×");
        }
        page.raw("</p>\n");
        for passage in &stage.passages {
            lane(page, passage.gate.name(), passage.n_items, stage.n_items);
        }
    }
    page.raw("</section>\n");
}

/// Adds a bar that is as long as the part of all that it stands for.
fn lane(page: &mut Page, name: &str, part: usize, whole: usize) {
    page.raw("<div class=\"lane\"><span class=\"name\">").text(name).raw(" ");
    page.text(&of(part, whole)).raw("</span><span class=\"track\"><i class=\"bar\" style=\"width:");
    page.percent(part as u64, whole as u64).raw("\"></i></span></div>\n");
}

fn stage_name(page: &mut Page, kind: &str, role: &str) {
    if kind != "tasks" {
        page.text(kind).raw(" ");
    }
    page.text(role);
}

fn write_attempt(
    page: &mut Page,
    run: &Path,
    attempt: &Attempt,
    prices: Option<Prices>,
) -> Result<(), RecordError> {
    page.raw("<details>\n<summary><code>").text(&attempt.id);
    page.raw("</code><span class=\"sums\">");
    sums(page, &attempt.totals, prices);
    page.raw("<span>");
    page.raw(match attempt.fate {
        Fate::Accepted => "<em class=\"made\">accepted</em>",
        Fate::Refused => "<em class=\"denied\">refused</em>",
        Fate::Undecided => "<em>undecided</em>",
        Fate::Interrupted => "<em>interrupted</em>",
    });
    page.raw("</span></span></summary>\n");
    verdict(page, attempt);
    let record = AttemptRecord::open(run.join(&attempt.id));
    if let Some(patch) = record.read_patch()?.filter(|patch| !patch.is_empty()) {
        page.raw("<details><summary><code>patch</code></summary>\n").patch(&patch);
        page.raw("</details>\n");
    }
    trajectory(page, &record.read_trajectory()?);
    page.raw("</details>\n");
    Ok(())
}

fn sums(page: &mut Page, totals: &Totals, prices: Option<Prices>) {
    let mut sum = |text: &str| {
        page.raw("<span>").text(text).raw("</span>");
    };
    sum(&format!("{} tool calls", page::grouped(totals.n_tool_calls)));
    sum(&format!("{} tokens", page::grouped(totals.usage.total_tokens())));
    if let Some(prices) = prices {
        sum(&dollars(prices.cost(totals.usage)));
    }
    sum(&page::seconds(totals.elapsed_us));
    if totals.n_denied > 0 {
        page.raw("<span class=\"denied\">").number(totals.n_denied).raw(" denied</span>");
    }
}

fn verdict(page: &mut Page, attempt: &Attempt) {
    // A browser opens what it is sent into, so the name is inside.
    page.raw("<p class=\"about\" id=\"").text(&attempt.id).raw("\">");
    for verdict in &attempt.gates {
        let open = if verdict.passed { "<em class=\"made\">" } else { "<em class=\"denied\">" };
        page.raw(open);
        page.raw(verdict.gate.name()).raw("</em> ");
    }
    if !attempt.stop.is_empty() && attempt.stop != "finished" {
        page.raw("the agent ended with <code>").text(&attempt.stop).raw("</code>");
    }
    page.raw("</p>\n");
    for reason in attempt.reasons() {
        page.raw("<p class=\"bad\">").text(&reason.to_string()).raw("</p>\n");
    }
}

fn trajectory(page: &mut Page, trajectory: &Trajectory) {
    for step in &trajectory.steps {
        let name = match step.source {
            Source::System => "system",
            Source::User => "user",
            Source::Agent => "agent",
        };
        // What frames the work is long and the same for all.
        let is_frame = step.source != Source::Agent;
        page.raw(if is_frame { "<details>" } else { "<details open>" });
        page.raw("<summary><code>")
            .number(step.step_id)
            .raw(" ")
            .raw(name)
            .raw("</code></summary>\n");
        write_step(page, step);
        page.raw("</details>\n");
    }
}

fn write_step(page: &mut Page, step: &Step) {
    if let Some(thoughts) = &step.reasoning_content {
        block(page, "<pre class=\"said thoughts\">", thoughts);
    }
    block(page, "<pre class=\"said\">", &step.message);
    for call in step.tool_calls.iter().flatten() {
        block(page, "<pre class=\"said call\">", &called(call));
    }
    for result in step.observation.iter().flat_map(|observation| &observation.results) {
        block(page, "<pre class=\"said result\">", result.content.as_deref().unwrap_or_default());
    }
}

/// Adds a text in the tag `open`, which is a `pre`; one that is too long is cut.
fn block(page: &mut Page, open: &'static str, text: &str) {
    if text.is_empty() {
        return;
    }
    let end = text.char_indices().nth(MAX_TEXT_CHARS).map_or(text.len(), |(at, _)| at);
    page.raw(open);
    for (index, line) in text[..end].split('\n').enumerate() {
        page.raw(if index == 0 { "" } else { "\n" }).text(line);
    }
    page.raw("</pre>\n");
    page::more(page, text.chars().count(), MAX_TEXT_CHARS);
}

/// Returns a call as a person would write it: arguments that are texts stand as they are.
fn called(call: &ToolCall) -> String {
    let mut text = call.function_name.clone();
    for (name, value) in &call.arguments {
        text.push('\n');
        text.push_str(name);
        text.push_str(": ");
        match value.as_str() {
            Some(value) if value.contains('\n') => {
                text.push('\n');
                text.push_str(value);
            }
            Some(value) => text.push_str(value),
            None => text.push_str(&value.to_string()),
        }
    }
    text
}

fn of(part: usize, whole: usize) -> String {
    format!("{part} of {whole}")
}

/// Shows a sum of US dollars.
pub(crate) fn dollars(cost: f64) -> String {
    if cost < 1.0 { format!("${cost:.4}") } else { format!("${cost:.2}") }
}
