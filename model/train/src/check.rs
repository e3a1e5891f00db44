//! Which shapes can be trained?

use yuan_model::config::Yuan;

use crate::{Error, Result};

/// Whether a shape makes sense and has a way back.
///
/// # Errors
/// [`Error::Config`] names the field that does not.
pub fn check(config: &Yuan) -> Result<()> {
    let wrong = |field: &'static str, problem: String| Err(Error::Config { field, problem });
    if config.share_qk {
        let problem = "is set: training knows queries and keys of their own with localized filtering, as all published models have";
        return wrong("use_shareqk", problem.to_owned());
    }
    let (moe, none) = (config.moe.as_ref(), 1);
    for (field, value) in [
        ("vocab_size", config.vocab_size),
        ("hidden_size", config.hidden_size),
        ("num_hidden_layers", config.layers),
        ("num_attention_heads", config.heads),
        ("attention_projection_size", config.attention_width),
        ("intermediate_size", if moe.is_some() { none } else { config.intermediate_size }),
        ("moe_config.moe_num_experts", moe.map_or(none, |moe| moe.experts)),
        ("moe_config.ffn_hidden_size", moe.map_or(none, |moe| moe.width)),
        ("moe_config.moe_top_k", moe.map_or(none, |moe| moe.top_k)),
    ] {
        if value == 0 {
            return wrong(field, "is 0".to_owned());
        }
    }
    if !config.hidden_size.is_multiple_of(2) {
        return wrong("hidden_size", format!("is {}: localized filtering halves it", config.hidden_size));
    }
    if !config.attention_width.is_multiple_of(config.heads) {
        let problem = format!("is {}, no multiple of the {} heads", config.attention_width, config.heads);
        return wrong("attention_projection_size", problem);
    }
    if config.rope.width > config.head_dim() || !config.rope.width.is_multiple_of(2) {
        let problem = format!("gives {} values to be turned of the {} of a head", config.rope.width, config.head_dim());
        return wrong("hidden_size", problem);
    }
    match moe {
        Some(moe) if moe.top_k > moe.experts => {
            wrong("moe_config.moe_top_k", format!("is {}, of {} experts", moe.top_k, moe.experts))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yuan_model::Config;

    #[test]
    fn what_cannot_be_trained_is_named() {
        let Some(Config::Yuan(tiny)) = Config::named("yuan-moe-tiny") else { panic!("there is a tiny model") };
        assert!(check(&tiny).is_ok());
        let says = |change: &dyn Fn(&mut Yuan)| {
            let mut changed = tiny.clone();
            change(&mut changed);
            check(&changed).unwrap_err().to_string()
        };
        assert!(says(&|it| it.share_qk = true).starts_with("field `use_shareqk` of the model's configuration is set"));
        assert!(says(&|it| it.layers = 0).contains("`num_hidden_layers`"));
        assert!(says(&|it| it.hidden_size = 63).contains("halves"));
        assert!(says(&|it| it.heads = 5).contains("no multiple of the 5 heads"));
        assert!(says(&|it| it.rope.width = 34).contains("34 values to be turned of the 32"));
        assert!(says(&|it| it.moe.as_mut().unwrap().top_k = 9).contains("is 9, of 8 experts"));
    }
}
