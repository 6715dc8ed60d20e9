//! The model on the command line: the scripted server, and exchanges kept and played again.

use crate::{PLAYPEN, folder};
use playpen_e2e::program::Program;

/// Asks `playpen mock-model` with what a client of another make would send.
#[test]
fn the_scripted_model_answers_any_client_and_counts_what_was_asked() {
    let script = "format: 1\nentries:\n  - name: greet\n    repeat_last: true\n    replies:\n      - text: good morning\n";
    let folder = folder().file("script.yaml", script);
    let ask = "
import json, subprocess, sys, urllib.request
server = subprocess.Popen([sys.argv[1], 'mock-model', '--script', 'script.yaml'],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
url = server.stdout.readline().strip()
body = json.dumps({'model': 'scripted', 'messages': [{'role': 'user', 'content': 'hello'}]})
request = urllib.request.Request(url + '/chat/completions', body.encode(),
                                 {'content-type': 'application/json'})
answer = json.load(urllib.request.urlopen(request))
print(answer['choices'][0]['message']['content'])
server.terminate()
print(server.wait())
print(server.stderr.read().strip())
";
    let python = Program::new("python3").args(["-c", ask, PLAYPEN]).cwd(folder.path());
    let ended = python.run();
    let out = ended.out();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["good morning", "0"], "{ended:?}");
    assert!(lines[2].contains("1 requests") && lines[2].contains("greet"), "{ended:?}");
}

#[test]
fn a_replay_without_the_exchange_says_what_is_missing() {
    let folder = folder().file("kept/.keep", "");
    let args = ["propose", "projects", "--model", "m", "--output", "out", "--replay", "kept"];
    let ended = folder.playpen(args).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err().contains("kept"), "{ended:?}");
    assert!(!ended.err().contains("OPENAI_API_KEY"), "{ended:?}");
}
