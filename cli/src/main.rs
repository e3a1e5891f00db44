//! The command `yuan-data`: what did you ask for?
//!
//! `args` reads the command line, `recipe` a recipe; both end in a plan that `yuan-pipeline` runs. `commands`
//! has a file for each group of commands, `show` what people read: progress, summary, report.

mod args;
mod commands;
mod encoder;
mod evaluation;
mod hints;
mod presets;
mod progress;
mod recipe;
mod report;
mod settings;
mod stages;
mod steps;
mod summary;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended well.
pub enum Done {
    /// All of it.
    All,
    /// All of it, but some records were set aside.
    SetAside,
    /// It found what it was asked to find fault with.
    Unsound,
}

fn main() -> ExitCode {
    yuan_pipeline::hush_guarded_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, on stdout; the rest are mistakes, on stderr.
            let status = if error.use_stderr() { 2 } else { 0 };
            return if error.print().is_ok() { ExitCode::from(status) } else { ExitCode::from(1) };
        }
    };
    if let Some(threads) = cli.global.threads {
        // There is no other pool before this one.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let result = match cli.command {
        Command::Run(args) => commands::run::run(&args, &cli.global),
        Command::Plan(args) => commands::plan::plan(&args, &cli.global),
        Command::Demo(args) => commands::demo::demo(&args, &cli.global),
        Command::Clean(args) => commands::run::clean(&args, &cli.global),
        Command::DatatroveMinhash(command) => commands::datatrove::datatrove(&command, &cli.global),
        Command::Dedup(args) => commands::run::dedup(&args, &cli.global),
        Command::Decontaminate(args) => commands::run::decontaminate(&args, &cli.global),
        Command::TrainTokenizer(args) => commands::tokens::train_tokenizer(&args, &cli.global),
        Command::Compression(args) => commands::compression::compression(&args, &cli.global),
        Command::Score(args) => commands::learn::score(&args, &cli.global),
        Command::TrainFastText(args) => commands::learn::train_fasttext(&args, &cli.global),
        Command::TrainKenLm(args) => commands::learn::train_kenlm(&args, &cli.global),
        Command::Tokenize(args) => commands::tokens::tokenize(&args, &cli.global),
        Command::Tokenizer(command) => commands::tokenizer::tokenizer(&command, &cli.global),
        Command::Count(args) => commands::count::count(&args, &cli.global),
        Command::Index(command) => commands::index::index(&command, &cli.global),
        Command::Binidx(command) => commands::binidx::binidx(&command, &cli.global),
        Command::Model(command) => commands::model::model(&command, &cli.global),
        Command::TrainModel(args) => commands::train_model::train_model(&args, &cli.global),
        Command::Ablate(args) => commands::ablate::ablate(&args, &cli.global),
        Command::Eval(command) => commands::eval::eval(&command, &cli.global),
        Command::Serve(args) => commands::model::serve(&args, &cli.global),
        Command::Mix(args) => commands::mix::mix(&args, &cli.global),
        Command::Info(args) => commands::look::info(&args),
        Command::Show(args) => commands::look::show(&args, &cli.global),
        Command::Stages(args) => commands::look::stages(&args),
        Command::Explain(args) => commands::explain::explain(&args),
        Command::Retune(args) => commands::retune::retune(&args, &cli.global),
        Command::Report(args) => commands::look::report(&args),
        Command::Completions { shell } => commands::look::completions(shell),
        Command::Man => commands::look::man(),
    };
    match result {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::SetAside) => ExitCode::from(3),
        Ok(Done::Unsound) => ExitCode::from(1),
        Err(error) => hints::report(&error),
    }
}
