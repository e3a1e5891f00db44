//! `demo`: real documents through the whole chain, in about a minute.

use std::path::Path;

use yuan_pipeline::Error;

use super::{run, say};
use crate::Done;
use crate::args::{DemoArgs, Global, ResumeArgs};
use crate::recipe::Recipe;

const CORPUS: &[u8] = include_bytes!("../../demo/corpus.jsonl.zst");
const RECIPE: &str = include_str!("../../../recipes/demo.toml");

pub fn demo(args: &DemoArgs, global: &Global) -> anyhow::Result<Done> {
    let folder = &args.out;
    let corpus = folder.join("demo-corpus.jsonl.zst");
    if !std::fs::metadata(&corpus).is_ok_and(|file| file.len() == CORPUS.len() as u64) {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        std::fs::write(&corpus, CORPUS).map_err(Error::io("write", &corpus))?;
    }
    let mut recipe: Recipe = toml::from_str(RECIPE)?;
    recipe.input.paths = vec![corpus.to_string_lossy().into_owned()];
    say(
        global,
        "The demo takes 3,956 real documents in some 25 languages (see cli/demo/PROVENANCE.md) through the whole chain.\n",
    );
    let done = run::execute(&recipe, Path::new(""), folder, &ResumeArgs::default(), global)?;
    let out = folder.display();
    say(
        global,
        &format!(
            "\nWhat to look at:\n  {out}/report.html        the funnel, the reasons, samples of what was dropped\n  {out}/out/              clean documents with their scores, and tokens.bin/.idx for Megatron\n  {out}/tokenizer.json    loads in Hugging Face tokenizers\n\nWhat to try:\n  yuan-data show {out}/dropped -n 3 --columns dropped_by,drop_reason\n  yuan-data show {out}/out -n 5 --columns language,kenlm_perplexity,moe_bits_per_byte,bucket\n  yuan-data binidx cat {out}/out/tokens --tokenizer {out}/tokenizer.json --limit 2\n  yuan-data stages gopher_quality"
        ),
    );
    Ok(done)
}
