//! The card of a data set, and what LLaMA-Factory needs to train on it.

use serde::Serialize;
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{
    Attempt, ExportConfig, Exported, Fate, Format,
    chat::{TEXT_FILE, TOOLS_FILE},
};

/// Reasons for leaving something out that a card lists.
const MAX_SHOWN: usize = 20;

/// What was read, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Attempts or instances that could be used.
    pub n_read: usize,
    /// Kept and failed attempts, by `KIND/ROLE`.
    pub by_role: BTreeMap<String, RoleCounts>,
    /// Failed attempts by the kind of reason; one may have several.
    pub by_reason: BTreeMap<String, usize>,
    /// Tokens that models read and wrote in all attempts.
    pub n_tokens: u64,
}

/// The attempts of a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RoleCounts {
    /// Those that are kept.
    pub n_kept: usize,
    /// Those that failed.
    pub n_failed: usize,
}

impl Counts {
    pub(super) fn new(attempts: &[Attempt]) -> Counts {
        let mut counts = Counts { n_read: attempts.len(), ..Counts::default() };
        for attempt in attempts {
            let role =
                counts.by_role.entry(format!("{}/{}", attempt.kind, attempt.role)).or_default();
            match attempt.fate {
                Fate::Kept => role.n_kept += 1,
                Fate::Failed => role.n_failed += 1,
            }
            for reason in &attempt.reasons {
                *counts.by_reason.entry(reason.clone()).or_default() += 1;
            }
            counts.n_tokens += attempt.n_tokens;
        }
        counts
    }
}

/// Writes the card: what Hugging Face reads, then what people do.
pub(super) fn card(config: &ExportConfig, exported: &Exported) -> String {
    let mut text = String::from("---\nlanguage: en\ntags: [code, agents, synthetic, playpen]\n");
    if matches!(
        config.format,
        Format::Atif | Format::ShareGpt | Format::OpenAi | Format::Preference
    ) {
        text.push_str("task_categories: [text-generation]\n");
    }
    text.push_str("configs:\n");
    for file in exported.files.keys() {
        let name = file.trim_end_matches(".jsonl");
        let _ = writeln!(text, "- config_name: {name}\n  data_files: {file}");
    }
    let _ = writeln!(text, "---\n\n# {}\n", title(config.format));
    let _ = writeln!(text, "{}\n", what(config.format));
    text.push_str("| file | examples |\n|---|---|\n");
    for (file, n) in &exported.files {
        let _ = writeln!(text, "| `{file}` | {n} |");
    }
    counts(&mut text, &exported.counts);
    dropped(&mut text, exported);
    text
}

fn title(format: Format) -> &'static str {
    match format {
        Format::Atif => "Trajectories in ATIF v1.7",
        Format::ShareGpt => "Conversations for LLaMA-Factory",
        Format::OpenAi => "Conversations with tools",
        Format::Preference => "Preference pairs",
        Format::SweBench => "Instances of SWE-bench",
        Format::SwtBench => "Instances of SWT-Bench",
        Format::Commit0 => "Instances of Commit-0",
    }
}

fn what(format: Format) -> &'static str {
    match format {
        Format::Atif => {
            "One trajectory a file; `index.jsonl` lists them. Every one was verified in fresh sandboxes before it \
             was kept; `playpen verify` on the run asks again."
        }
        Format::ShareGpt => {
            "The same examples twice: in `text.jsonl` tools are called as text within the answers, in `tools.jsonl` \
             as functions, with thoughts in `<think>`. `dataset_info.json` registers both with LLaMA-Factory; \
             `train_full.yaml` and `train_sequence_parallel.yaml` train on the first."
        }
        Format::OpenAi => {
            "Messages and tools as OpenAI's API has them. LLaMA-Factory's `openai` formatting drops the words of \
             answers with calls: use `playpen export --format sharegpt` there."
        }
        Format::Preference => {
            "A kept attempt (`chosen`) against a refused one (`rejected`) at the same work, in the conversational \
             form of TRL. `reasons` says why the verifier refused it."
        }
        Format::SweBench => {
            "Each repository lies in `repos/`; a base commit is a branch of its own without history. `predictions.jsonl` \
             has what kept attempts handed in."
        }
        Format::SwtBench => {
            "Rows of SWE-bench whose base commits keep the tests that the bug leaves alone. Repositories lie in `repos/`; \
             `predictions.jsonl` has the tests that kept attempts wrote."
        }
        Format::Commit0 => {
            "Libraries whose functions are stubs, with the commit of the finished library. Repositories lie in `repos/`."
        }
    }
}

fn counts(text: &mut String, counts: &Counts) {
    if counts.by_role.is_empty() {
        return;
    }
    text.push_str(
        "\n## Attempts that were read\n\n| kind and role | kept | failed |\n|---|---|---|\n",
    );
    for (role, RoleCounts { n_kept, n_failed }) in &counts.by_role {
        let _ = writeln!(text, "| {role} | {n_kept} | {n_failed} |");
    }
    let _ = writeln!(text, "\nModels read and wrote {} tokens in them.", counts.n_tokens);
    if !counts.by_reason.is_empty() {
        text.push_str("\n| reason of a refusal | attempts |\n|---|---|\n");
        for (reason, n) in &counts.by_reason {
            let _ = writeln!(text, "| `{reason}` | {n} |");
        }
    }
}

fn dropped(text: &mut String, exported: &Exported) {
    let _ = writeln!(text, "\n## What is left out: {}\n", exported.dropped.len());
    for dropped in exported.dropped.iter().take(MAX_SHOWN) {
        let _ = writeln!(text, "- `{}`: {}", dropped.what, dropped.why);
    }
    if exported.dropped.len() > MAX_SHOWN {
        let _ =
            writeln!(text, "- and {} more, in `report.json`", exported.dropped.len() - MAX_SHOWN);
    }
}

/// Returns the files that LLaMA-Factory needs beside the examples.
pub(super) fn training_files(output: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    let folder = folder.display().to_string();
    let mut info = serde_json::to_vec_pretty(&dataset_info()).expect("texts are JSON");
    info.push(b'\n');
    vec![
        ("dataset_info.json".to_owned(), info),
        ("train_full.yaml".to_owned(), training(&folder, false).into_bytes()),
        ("train_sequence_parallel.yaml".to_owned(), training(&folder, true).into_bytes()),
        ("deepspeed_zero3_offload.json".to_owned(), deepspeed()),
    ]
}

fn dataset_info() -> serde_json::Value {
    json!({
        "playpen_text": {
            "file_name": TEXT_FILE,
            "formatting": "sharegpt",
            "columns": { "messages": "messages" },
            "tags": {
                "role_tag": "role", "content_tag": "content", "user_tag": "user",
                "assistant_tag": "assistant", "system_tag": "system",
            },
        },
        "playpen_tools": {
            "file_name": TOOLS_FILE,
            "formatting": "sharegpt",
            "columns": { "messages": "conversations", "system": "system", "tools": "tools" },
            "tags": {
                "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
                "observation_tag": "observation", "function_tag": "function_call", "system_tag": "system",
            },
        },
    })
}

/// Returns a configuration of full fine-tuning; the paths are those of this data set.
fn training(folder: &str, is_parallel: bool) -> String {
    let (name, liger, parallel) = if is_parallel {
        ("sequence-parallel", "false", "sequence_parallel_size: 4  # needs 360-LLaMA-Factory\n")
    } else {
        ("full", "true", "")
    };
    let quoted = serde_json::to_string(folder).expect("a text is JSON");
    format!(
        "# Full fine-tuning with LLaMA-Factory: llamafactory-cli train train_{}.yaml\n\
         model_name_or_path: Qwen/Qwen2.5-Coder-7B-Instruct  # its context must reach cutoff_len\n\
         trust_remote_code: true\n\n\
         stage: sft\ndo_train: true\nfinetuning_type: full\n\
         deepspeed: {deepspeed}\n\n\
         dataset_dir: {quoted}\ndataset: playpen_text\ntemplate: qwen\n{parallel}cutoff_len: 128000\n\
         overwrite_cache: true\npreprocessing_num_workers: 16\n\n\
         output_dir: {saves}\nlogging_steps: 10\nsave_strategy: epoch\nplot_loss: true\noverwrite_output_dir: true\n\n\
         per_device_train_batch_size: 1\ngradient_accumulation_steps: 1\nlearning_rate: 1.0e-5\n\
         num_train_epochs: 5.0\nlr_scheduler_type: cosine\nwarmup_ratio: 0.05\nbf16: true\nflash_attn: fa2\n\
         enable_liger_kernel: {liger}\nuse_unsloth_gc: {is_parallel}\nddp_timeout: 180000000\nreport_to: none\n",
        if is_parallel { "sequence_parallel" } else { "full" },
        deepspeed = yaml_path(folder, "deepspeed_zero3_offload.json"),
        saves = yaml_path(folder, &format!("saves/{name}")),
    )
}

/// Returns a path as YAML: JSON texts are YAML.
fn yaml_path(folder: &str, name: &str) -> String {
    serde_json::to_string(&format!("{folder}/{name}")).expect("a text is JSON")
}

fn deepspeed() -> Vec<u8> {
    let config = json!({
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "zero_allow_untested_optimizer": true,
        "bf16": { "enabled": "auto" },
        "zero_optimization": {
            "stage": 3,
            "offload_optimizer": { "device": "cpu", "pin_memory": true },
            "offload_param": { "device": "cpu", "pin_memory": true },
            "overlap_comm": true,
            "contiguous_gradients": true,
            "stage3_gather_16bit_weights_on_model_save": true,
        },
    });
    let mut data = serde_json::to_vec_pretty(&config).expect("texts and numbers are JSON");
    data.push(b'\n');
    data
}
