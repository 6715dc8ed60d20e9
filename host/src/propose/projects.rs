//! Stage `projects`: new projects that differ from each other and from earlier ones.

use super::{
    ProposeError, ProposeReport, RefusedProject, answer,
    conversation::{Desk, Refusal},
    folder::{ProjectFolder, create_dir, projects_to_avoid},
    prompts::{EarlierProject, ProjectsPrompt},
    similar::Fingerprint,
    topics,
};
use crate::project::Project;

/// The stage's name for the model client, scripts and progress.
pub(super) const STAGE: &str = "projects";
/// Earlier projects that the prompt lists, the latest. All of them are compared.
const MAX_LISTED: usize = 60;

/// Proposes projects until the output folder has as many as were asked for.
pub(super) async fn run(
    desk: &mut Desk<'_>,
    report: &mut ProposeReport,
) -> Result<(), ProposeError> {
    let config = desk.config;
    create_dir(&config.output_dir)?;
    let there = ProjectFolder::all_in(&config.output_dir)?;
    let n_wanted = config.n_projects.saturating_sub(there.len());
    if n_wanted == 0 {
        return Ok(());
    }
    let mut earlier: Vec<Project> =
        there.iter().map(ProjectFolder::project).collect::<Result<_, _>>()?;
    for dir in &config.avoid_dirs {
        earlier.extend(projects_to_avoid(dir)?);
    }
    let mut selection = Selection::new(n_wanted, &config.language, &earlier);
    let variables = prompt(desk, n_wanted, &earlier);
    let mut question = desk.question(STAGE, "propose/projects", None, &variables)?;
    let asked = question.answer(|text| selection.read(text)).await;
    let n_kept = selection.kept.len();
    report.refused.append(&mut selection.refused);
    for project in selection.kept {
        let folder = ProjectFolder::new(config.output_dir.join(project.repo_name.as_str()));
        folder.write_project(&project)?;
    }
    match asked {
        // What was accepted is kept; what is missing is told, and a second run asks for the rest.
        Err(ProposeError::Unusable { .. }) if n_kept > 0 => {
            report.n_missing_projects = n_wanted - n_kept;
            Ok(())
        }
        other => other,
    }
}

fn prompt(desk: &Desk<'_>, n_projects: usize, earlier: &[Project]) -> ProjectsPrompt {
    let config = desk.config;
    let listed = earlier.len().saturating_sub(MAX_LISTED);
    let topics = if config.topics.is_empty() {
        topics::draw(n_projects, config.seed.wrapping_add(earlier.len() as u64))
    } else {
        config.topics.clone()
    };
    ProjectsPrompt {
        n_projects,
        language: config.language.clone(),
        topics,
        difficulty: config.difficulty.name(),
        earlier: earlier[listed..]
            .iter()
            .map(|project| EarlierProject {
                repo_name: project.repo_name.to_string(),
                summary: project.summary(),
            })
            .collect(),
    }
}

/// The projects of one question that were good enough.
struct Selection {
    n_wanted: usize,
    language: String,
    known: Vec<Fingerprint>,
    kept: Vec<Project>,
    refused: Vec<RefusedProject>,
}

impl Selection {
    fn new(n_wanted: usize, language: &str, earlier: &[Project]) -> Selection {
        Selection {
            n_wanted,
            language: language.to_owned(),
            known: earlier.iter().map(Fingerprint::new).collect(),
            kept: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Takes what can be used of an answer; refuses it as long as projects are missing.
    fn read(&mut self, text: &str) -> Result<(), Refusal> {
        let mut problems = Vec::new();
        match answer::projects(text) {
            Err(problem) => problems.push(problem),
            Ok(found) => {
                for project in found {
                    if self.kept.len() == self.n_wanted {
                        break;
                    }
                    let taken =
                        project.map_err(|why| (None, why)).and_then(|project| self.take(project));
                    if let Err((repo_name, reason)) = taken {
                        problems.push(reason.clone());
                        self.refused.push(RefusedProject { repo_name, reason });
                    }
                }
            }
        }
        let n_missing = self.n_wanted - self.kept.len();
        if n_missing == 0 {
            return Ok(());
        }
        if problems.is_empty() {
            problems.push(format!("{n_missing} of the projects are missing"));
        }
        Err(Refusal { problems, wanted: self.wanted(n_missing) })
    }

    fn take(&mut self, project: Project) -> Result<(), (Option<String>, String)> {
        let name = project.repo_name.to_string();
        if !project.programming_language.to_lowercase().contains(&self.language.to_lowercase()) {
            let reason = format!(
                "`{name}` is in {} and not in {}",
                project.programming_language, self.language
            );
            return Err((Some(name), reason));
        }
        let fingerprint = Fingerprint::new(&project);
        if let Some(reason) = self.known.iter().find_map(|known| fingerprint.duplicate_of(known)) {
            return Err((Some(name), reason));
        }
        self.known.push(fingerprint);
        self.kept.push(project);
        Ok(())
    }

    fn wanted(&self, n_missing: usize) -> String {
        let kept: Vec<String> =
            self.kept.iter().map(|project| format!("`{}`", project.repo_name)).collect();
        if kept.is_empty() {
            return format!("Give all {n_missing} projects again.");
        }
        format!(
            "{} {} accepted. Give {n_missing} more, different from all before, and only those.",
            kept.join(", "),
            if kept.len() == 1 { "is" } else { "are" }
        )
    }
}
