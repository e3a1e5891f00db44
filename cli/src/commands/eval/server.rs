//! A server that is asked instead of a model's files.

use std::time::Duration;

use yuan_eval::remote::{Options, Remote};

use super::told;
use crate::args::ServerArgs;

/// Asks the server of the command line for its models.
pub fn connect(args: &ServerArgs) -> anyhow::Result<Remote> {
    let endpoint = args.endpoint.as_ref().map_or_else(String::new, |endpoint| endpoint.0.clone());
    told(Remote::connect(Options {
        model: args.model_name.clone(),
        api_key: args.api_key.as_ref().map(|key| key.0.clone()).filter(|key| !key.is_empty()),
        timeout: Duration::from_secs(args.timeout),
        retries: args.retries,
        concurrency: args.concurrency.into(),
        ..Options::of(endpoint)
    }))
}
