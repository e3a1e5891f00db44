//! Prompts, byte for byte. What is expected is written out by hand from the description of the published drivers.

use std::path::Path;

use yuan_eval::data::Data;
use yuan_eval::tasks::{Ask, Items, Mode, Shots, Task};

const SOLVED: &str = r#####"{"question": "Two and two?", "answer": "2+2 = <<2+2=4>>4.\n#### 4"}
{"question": "Three and three?\nSay.", "answer": "3+3 = <<3+3=6>>6.\n#### 6"}
{"question": "Four?", "answer": "#### 4"}
"#####;

const HUMAN_EVAL: &str = r#"{"task_id": "HumanEval/0", "prompt": "def one():\n", "entry_point": "one", "canonical_solution": "    return 1\n", "test": "def check(one):\n    assert one() == 1\n"}
"#;

fn items(name: &str, mode: Mode, files: &[(&str, &str)], shots: Option<usize>) -> Items {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path: &Path = &folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let task = Task::find(name, Some(mode)).expect("a task");
    let shots = Shots { count: shots, file: None };
    task.items(&Data::new(folder.path()), &shots).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The prompt of the first item, with its most new tokens.
fn first(items: &Items) -> (&str, usize) {
    match &items.items[0].ask {
        Ask::Write { prompt, max_new_tokens } => (prompt, *max_new_tokens),
        Ask::Choose(_) => panic!("options are chosen"),
    }
}

#[test]
fn gsm8k() {
    let files = [("gsm8k/yuan-m32-gsm8k.txt", "How many?<n>Say.[SEP]7\n"), ("gsm8k/train.jsonl", SOLVED)];
    let asked = items("gsm8k", Mode::M32, &files, Some(2));
    let prompt = "Question:Two and two?\nAnswer:2+2 = 4.\nThe answer is 4.\nQuestion:Three and three?\nSay.\nAnswer:3+3 = 6.\n\
                  The answer is 6.\nQuestion:How many?\nSay.<sep>";
    assert_eq!(first(&asked), (prompt, 1023));
    assert_eq!(first(&items("gsm8k", Mode::M32, &files, Some(0))), ("How many?\nSay.<sep>", 1023));
    assert_eq!((asked.items[0].id.as_str(), asked.items[0].judge.gold()), ("1", "7".into()));
    // Without Yuan's file GSM8K's own will do.
    let own = items("gsm8k", Mode::M32, &[("gsm8k/test.jsonl", SOLVED)], Some(0));
    assert_eq!((first(&own).0, own.items[0].judge.gold()), ("Two and two?<sep>", "4".into()));
    let chinese = items("gsm8k-zh", Mode::Yuan, &[("gsm8k/yuan2-gsm8k_Cn.txt", "有多少？<n>说。[SEP]85\n")], None);
    assert_eq!(first(&chinese), ("详细分析并求解以下数学问题。\n有多少？<n>说。<sep>", 1023), "`<n>` is not converted");
}

#[test]
fn math_and_gaokao() {
    let test = r#"{"problem": "What is $x$?", "solution": "It is asked."}
{"problem": "What is $y$?", "solution": "It is $\\boxed{2}$."}
"#;
    let files = [("math/yuan-m32-math.txt", "What is x?[SEP]\\frac{1}{2}\n"), ("math/test.jsonl", test)];
    let asked = items("math", Mode::M32, &files, Some(1));
    let prompt = "Question:What is $y$?\nAnswer:It is $\\boxed{2}$.\nQuestion:What is x?<sep>";
    assert_eq!(first(&asked), (prompt, 1023), "what is asked is no example");
    let mathqa = [("agieval/yuan2-mathqa.txt", "则a=( )<n>A.-1,B.1。[SEP]答案：B。\n")];
    let asked = items("gaokao-mathqa", Mode::Yuan, &mathqa, None);
    let prompt = "给出如下问题的分析，并从问题后的选项中选择出正确答案。\n则a=( )\nA.-1,B.1。\n<sep>";
    assert_eq!((first(&asked), asked.items[0].judge.gold()), ((prompt, 1023), "B".into()));
    let cloze = [("agieval/yuan2-mathcloze.txt", "则k=( )<n>写出。[SEP]5;10\n")];
    assert_eq!(first(&items("gaokao-cloze", Mode::Yuan, &cloze, None)).0, "则k=( )<n>写出。<sep>");
}

#[test]
fn options() {
    let mmlu = [("mmlu/global_facts.txt", "Which?<n>A.one<n>B.two<n>C.three<n>D.four[SEP]D\n")];
    let asked = items("mmlu", Mode::M32, &mmlu, None);
    let prompt =
        "Choose the correct answer from the options after each question.\nWhich?\nA.one\nB.two\nC.three\nD.four<sep>";
    assert_eq!(first(&asked), (prompt, 1023));
    assert_eq!((asked.items[0].id.as_str(), asked.items[0].group.as_deref()), ("global_facts/1", Some("global_facts")));
    // The published file has each question twice, and lines of Windows.
    let arc = "Which?<n>A.one<n>B.two[SEP]B\r\nWhich?<n>A.one<n>B.two[SEP]B\r\nWhy?<n>A.so<n>B.not[SEP]A\r\n";
    let asked = items("arc-c", Mode::M32, &[("arc_c/ARC_challenge.txt", arc)], Some(1));
    let prompt = "Question:Why?\nA.so\nB.not\nAnswer:The correct answer is A.\nQuestion:Which?\nA.one\nB.two<sep>";
    assert_eq!((first(&asked), asked.items.len()), ((prompt, 1023), 1));
    let train = [("arc_c/ARC_challenge.txt", arc), ("arc_c/train.txt", "Who?<n>A.me<n>B.you[SEP]B\n")];
    let asked = items("arc-c", Mode::M32, &train, Some(1));
    assert!(
        first(&asked).0.starts_with("Question:Who?\nA.me\nB.you\nAnswer:The correct answer is B.\nQuestion:Which?")
    );
    assert_eq!(asked.items.len(), 2);
}

#[test]
fn truthfulqa_in_chinese() {
    let file = "{'query': '什么?', 'ans1': '没有。', 'ans2': \"有\", 'ans3': '不'}\n";
    let asked = items("truthfulqa-zh", Mode::Yuan, &[("truthfulqa/yuan2-TruthfulQA_CN.json", file)], None);
    let prompt = "什么?\nA. 没有。B. 有C. 不\n以上哪个选项是正确的？如果选项A正确则回复“正确答案是A选项”，如果选项B正确则回复“正确答案是B选项”，其余选项也是如此。<sep>";
    assert_eq!(first(&asked), (prompt, 20));
}

#[test]
fn human_eval_as_its_files_have_it() {
    let english = "Instruction: One.\nResponse:\n```python\ndef one():\n";
    let line = |prompt: &str| serde_json::json!({ "task_id": "HumanEval/0", "prompt": prompt }).to_string();
    let chinese = "问题描述：一。\n示例：\n>>> one()\n1\n代码如下：\n```python\ndef one():\n";
    for (name, mode, file, prompt, tokens) in [
        ("humaneval", Mode::M32, "humaneval/yuan-m32-HumanEval-instructions.jsonl", english, 1023),
        ("humaneval-shots", Mode::M32, "humaneval/yuan-m32-HumanEval-instructions-fewshot.jsonl", english, 1023),
        ("humaneval-zh", Mode::Yuan, "humaneval/yuan2-HumanEval-textprompts-zh.jsonl", chinese, 511),
    ] {
        let asked = items(name, mode, &[(file, &line(prompt)), ("humaneval/HumanEval.jsonl", HUMAN_EVAL)], None);
        assert_eq!(first(&asked), (prompt, tokens), "{name}");
    }
}
