//! Commits, made by git in a sandbox.
//!
//! Author and date are fixed, so that the same work gives the same commit.

use playpen_runtime::{Sandbox, Tree};
use std::time::Duration;

use crate::{
    agent::{
        WORKSPACE, WritePolicy, exit,
        namespace::{limits, open_sandbox},
    },
    context::Context,
    verify::check::CheckError,
};

/// Time for one git command.
const WALL: Duration = Duration::from_mins(1);

/// When the first commit was made, in seconds since 1970: 2026-01-01T00:00:00Z.
const FIRST_COMMIT_SECONDS: u64 = 1_767_225_600;

/// Seconds between one commit and the next.
const COMMIT_INTERVAL_SECONDS: u64 = 60;

/// Who made the commits.
const NAME: &str = "playpen";

/// An address that nobody has (RFC 2606).
const EMAIL: &str = "playpen@example.invalid";

/// What is not committed, written where a repository has no `.gitignore`.
const GITIGNORE: &str = "__pycache__/\n*.pyc\n.pytest_cache/\n";

/// Commits everything in `tree`, and returns the tree with the commit in its `.git/`.
///
/// `commit_idx` counts the commits that this program made before, and sets the date. A tree without
/// a repository gets one.
///
/// # Errors
///
/// Fails if the host does, or if git refuses.
pub(crate) async fn commit(
    ctx: &Context,
    tree: &Tree,
    message: &str,
    commit_idx: u64,
) -> Result<Tree, CheckError> {
    let mut tree = tree.clone();
    let is_new = !tree.exists(".git/HEAD");
    if is_new && !tree.exists(".gitignore") {
        // Refused only where a directory of that name is in the way; git then lists what it lists.
        let _ignored = tree.write(".gitignore", GITIGNORE, 0o644);
    }
    let policy = WritePolicy::all_but(&[]);
    let sandbox = open_sandbox(ctx, tree, &policy, None).map_err(CheckError::Sandbox)?;
    if is_new {
        git(&sandbox, &["init"], commit_idx).await?;
    }
    git(&sandbox, &["add", "-A"], commit_idx).await?;
    git(&sandbox, &["commit", "-m", message], commit_idx).await?;
    sandbox.tree(WORKSPACE).ok_or_else(|| CheckError::Git {
        message: "the workspace is not mounted as a tree".to_owned(),
    })
}

/// Runs one git command.
async fn git(sandbox: &Sandbox, args: &[&str], commit_idx: u64) -> Result<(), CheckError> {
    let seconds = FIRST_COMMIT_SECONDS + commit_idx * COMMIT_INTERVAL_SECONDS;
    let date = format!("{seconds} +0000");
    let outcome = sandbox
        .command("git")
        .args(args.iter().copied())
        .cwd(WORKSPACE)
        .env("GIT_AUTHOR_NAME", NAME)
        .env("GIT_AUTHOR_EMAIL", EMAIL)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", NAME)
        .env("GIT_COMMITTER_EMAIL", EMAIL)
        .env("GIT_COMMITTER_DATE", &date)
        .limits(limits(WALL))
        .output()
        .await
        .map_err(|source| CheckError::Run { program: "git", source })?;
    if outcome.exit.code() == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    let how = exit::describe(outcome.exit).unwrap_or_default();
    let command = args.first().copied().unwrap_or_default();
    Err(CheckError::Git { message: format!("`git {command}`: {said}{how}") })
}
