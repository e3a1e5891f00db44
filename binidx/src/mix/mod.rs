//! Mixing: token sets become the phases of a training, with every number known beforehand.
//!
//! Each source, and in it each language that a phase tells apart, is an endless sequence of its documents: all of them in the order
//! of a [hash](crate::shuffle_key) of seed, file, record and epoch 0, then all in that of epoch 1, and so on. A phase takes the next
//! stretch of it, of whole documents, with the number of tokens nearest to what is wanted. So a part of a source, all of it and
//! many times all of it are one thing, a later phase begins with what was not seen yet, and the outcome depends on the recipe
//! and the documents alone.
//!
//! [`Mixture::prepare`] finds the stretches by two to four walks over the files of documents, reading no token, and tells in a
//! [`Plan`] what they come to; [`Mixture::write`] writes them, holds what it wrote against the plan, and goes on where it was stopped.
//!
//! | module | what it answers |
//! |---|---|
//! | `recipe` | What is asked for? ([`Mix`]) |
//! | `inputs`, `slice` | Which documents are there, and whose are they? |
//! | `prepare` | In which order is that found out? |
//! | `shares` | How many tokens of what does a phase want? |
//! | `stretch` | Which documents are these? |
//! | `plan` | What does it come to? ([`Plan`]) |
//! | `write`, `blend` | How does it get on disk? |
//!
//! Sources: YAYI 2 (arXiv:2312.14862, section 2.2) for static and dynamic sources; PolyLM (arXiv:2307.06018, section 3.4) for phases
//! with more of other languages; XLM-R (arXiv:1911.02116, section 3.1) for alpha.

mod blend;
mod inputs;
mod plan;
mod prepare;
mod recipe;
mod shares;
mod slice;
mod stretch;
mod write;

pub use plan::{Amount, ByLanguage, PhasePlan, PhaseSource, Plan, SourcePlan};
pub use prepare::Mixture;
pub use recipe::{By, Kind, Mix, MixOutput, Phase, Source, Write};
pub use write::{Finished, FinishedSet};
