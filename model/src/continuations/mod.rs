//! How likely continuations are behind their contexts, where many of them begin alike.
//!
//! Options of a question share the question, and questions the examples before them. What is shared is read once; the rest is read behind copies of
//! what the model remembers of it ([`Session::copy`]). On a CPU every number is the very one that [`Engine::score`] gives for the whole
//! text; elsewhere it is as near as in batches of another size. Multiple choice behind 5 examples took a tenth of the time, without examples half of
//! it (ARCHITECTURE.md has the figures).

mod tree;

use std::ops::Range;

use crate::backend::{Scored, Target};
use crate::batch::Batch;
use crate::engine::{Engine, Session};
use crate::{Error, Result};
use tree::{Node, WORTH, shared, tree};

/// Texts whose keys and values are held at a time come to so many times the tokens that are read together.
const HELD: usize = 4;

/// How likely a continuation is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Continued {
    /// Sum of the natural logarithms of its tokens' probabilities.
    pub log_prob: f64,
    /// Whether no other token was more likely at any place.
    pub is_greedy: bool,
    /// Its tokens.
    pub tokens: usize,
}

/// Continuations that are scored some at a time. Those with alike beginnings should come one behind the other.
///
/// Memory: activations of `batch_tokens` tokens, or of the longest text, and keys and values of four times as many at most, or of what
/// one text and what it shares come to.
pub struct Continuations<'e> {
    engine: &'e dyn Engine,
    batch_tokens: usize,
    session: Box<dyn Session + 'e>,
    /// What the session remembers for those to come: so many of these tokens each, the longest last.
    kept: Vec<usize>,
    kept_ids: Vec<u32>,
    waiting: Vec<Text>,
    /// Tokens that are left to read of those that wait, and tokens of them all.
    to_read: usize,
    held: usize,
    last: Vec<u32>,
}

/// A context with its continuation.
struct Text {
    /// All tokens; the last is predicted and not read.
    ids: Vec<u32>,
    /// The continuation's.
    count: usize,
}

impl Text {
    fn inputs(&self) -> &[u32] {
        &self.ids[..self.ids.len() - 1]
    }

    /// The rows that predict the continuation.
    fn rows(&self) -> Range<usize> {
        self.inputs().len() - self.count..self.inputs().len()
    }
}

impl<'e> Continuations<'e> {
    /// None yet. So many tokens are read together.
    pub fn new(engine: &'e dyn Engine, batch_tokens: usize) -> Self {
        Self {
            engine,
            batch_tokens: batch_tokens.max(1),
            session: engine.session(0),
            kept: Vec::new(),
            kept_ids: Vec::new(),
            waiting: Vec::new(),
            to_read: 0,
            held: 0,
            last: Vec::new(),
        }
    }

    /// Takes a context with its continuation, the last `count` of all tokens. What waited is scored first, if there is no room for one
    /// more: the scores of those, in their order.
    ///
    /// # Errors
    /// If there is no continuation or nothing stands before it, an id is not in the vocabulary, or the device fails.
    pub fn push(&mut self, ids: Vec<u32>, count: usize) -> Result<Vec<Continued>> {
        if count == 0 || count >= ids.len() {
            let tokens = ids.len();
            return Err(Error::request(format!(
                "{count} of {tokens} tokens cannot be scored: it takes one at least, and one before it"
            )));
        }
        let text = Text { ids, count };
        let (inputs, alike) = (text.inputs(), shared(text.inputs(), &self.last));
        // What is not worth sharing is read again.
        let new = if self.last == inputs { 0 } else { inputs.len() - alike.saturating_sub(WORTH) };
        let held = if self.last == inputs { 0 } else { inputs.len() };
        let is_full = self.to_read + new > self.batch_tokens || self.held + held > HELD * self.batch_tokens;
        let scored = if is_full && new > 0 { self.score(Some(&text))? } else { Vec::new() };
        self.to_read += new;
        self.held += held;
        self.last = text.inputs().to_vec();
        self.waiting.push(text);
        Ok(scored)
    }

    /// Scores those that wait.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn finish(&mut self) -> Result<Vec<Continued>> {
        self.score(None)
    }

    /// Scores those that wait; `next` comes behind them.
    fn score(&mut self, next: Option<&Text>) -> Result<Vec<Continued>> {
        let texts = std::mem::take(&mut self.waiting);
        (self.to_read, self.held) = (0, 0);
        let mut found = vec![Continued { log_prob: 0.0, is_greedy: true, tokens: 0 }; texts.len()];
        let start = self.keep(&texts, next)?;
        let inputs: Vec<&[u32]> = texts.iter().map(Text::inputs).collect();
        let nodes = tree(&inputs, start);
        let levels = nodes.iter().map(|node| node.level + 1).max().unwrap_or(0);
        if start == 0 && levels == 1 {
            // Nothing is shared: nothing need be remembered.
            let mut batch = Batch::new();
            let wanted = targets(&texts, &nodes, &(0..nodes.len()).collect::<Vec<_>>());
            for node in &nodes {
                batch.push(&inputs[node.texts.start][node.tokens.clone()]);
            }
            add(&mut found, &wanted, &self.engine.score(&batch, &wanted.targets)?);
            return Ok(found);
        }
        // The nodes that the session remembers behind what is kept.
        let mut open: Vec<usize> = Vec::new();
        let last_children = last_children(&nodes);
        for level in 0..levels {
            let own: Vec<usize> = (0..nodes.len()).filter(|node| nodes[*node].level == level).collect();
            for node in own {
                self.begin(&nodes, node, &last_children, &inputs, &mut open)?;
            }
            let mut tokens = vec![&[][..]; self.kept.len()];
            tokens.extend(open.iter().map(|node| &inputs[nodes[*node].texts.start][nodes[*node].tokens.clone()]));
            let wanted = targets(&texts, &nodes, &open);
            add(&mut found, &wanted, &self.session.score(&tokens, &wanted.targets)?);
            for place in (0..open.len()).rev().filter(|place| last_children[open[*place]].is_none()).collect::<Vec<_>>()
            {
                self.session.remove(self.kept.len() + place);
                open.remove(place);
            }
        }
        Ok(found)
    }

    /// Gives a node a sequence that goes on from its parent's: the last child takes the parent's own.
    fn begin(
        &mut self,
        nodes: &[Node],
        node: usize,
        last_children: &[Option<usize>],
        inputs: &[&[u32]],
        open: &mut Vec<usize>,
    ) -> Result<()> {
        let from = match nodes[node].parent {
            Some(parent) => {
                let place =
                    open.iter().position(|open| *open == parent).expect("a parent is open until its last child");
                if last_children[parent] == Some(node) {
                    open[place] = node;
                    return Ok(());
                }
                Some(self.kept.len() + place)
            }
            None => self.kept.len().checked_sub(1),
        };
        let room = inputs[nodes[node].texts.clone()].iter().map(|text| text.len()).max().unwrap_or(0);
        self.session.add(room);
        open.push(node);
        match from {
            Some(from) => self.session.copy(from, self.kept.len() + open.len() - 1),
            None => Ok(()),
        }
    }

    /// Sees to it that what these texts share with the next is remembered, and nothing that they do not begin with. Gives how many
    /// tokens are. Rows that predict are not among them: each text needs those.
    fn keep(&mut self, texts: &[Text], next: Option<&Text>) -> Result<usize> {
        let Some(first) = texts.first().map(Text::inputs) else { return Ok(0) };
        let with = |text: &Text| shared(first, text.inputs()).min(text.rows().start);
        let common = texts.iter().map(with).min().unwrap_or(0);
        let lasting = next.map_or(0, with).min(common);
        let known = shared(first, &self.kept_ids).min(common);
        while self.kept.pop_if(|kept| *kept > known).is_some() {
            self.session.remove(self.kept.len());
        }
        // Where what was kept was a little too long, the shorter is what lasts.
        for wanted in [known, lasting] {
            let top = self.kept.last().copied().unwrap_or(0);
            if wanted <= lasting && wanted >= top + WORTH {
                self.session.add(wanted);
                self.kept.push(wanted);
                let own = self.kept.len() - 1;
                if own > 0 {
                    self.session.copy(own - 1, own)?;
                }
                for part in first[top..wanted].chunks(self.batch_tokens) {
                    let tokens: Vec<&[u32]> = (0..=own).map(|place| if place == own { part } else { &[] }).collect();
                    self.session.score(&tokens, &[])?;
                }
            }
        }
        let top = self.kept.last().copied().unwrap_or(0);
        self.kept_ids = first[..top].to_vec();
        Ok(top)
    }
}

/// The last child of each node.
fn last_children(nodes: &[Node]) -> Vec<Option<usize>> {
    let mut last = vec![None; nodes.len()];
    for (number, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent {
            last[parent] = Some(number);
        }
    }
    last
}

/// What is wanted of rows, and the text that wants it.
struct Wanted {
    targets: Vec<Target>,
    owners: Vec<usize>,
}

/// What texts want of the rows of some nodes, which lie end to end.
fn targets(texts: &[Text], nodes: &[Node], read: &[usize]) -> Wanted {
    let mut wanted = Wanted { targets: Vec::new(), owners: Vec::new() };
    let mut row = 0;
    for Node { texts: owners, tokens, .. } in read.iter().map(|node| &nodes[*node]) {
        for owner in owners.clone() {
            let Text { ids, .. } = &texts[owner];
            for place in tokens.clone().filter(|place| texts[owner].rows().contains(place)) {
                wanted.targets.push(Target { row: (row + place - tokens.start) as u32, id: ids[place + 1] });
                wanted.owners.push(owner);
            }
        }
        row += tokens.len();
    }
    wanted
}

fn add(found: &mut [Continued], wanted: &Wanted, scored: &[Scored]) {
    for (owner, scored) in wanted.owners.iter().zip(scored) {
        let continued = &mut found[*owner];
        continued.log_prob += f64::from(scored.log_prob);
        continued.is_greedy &= scored.is_greedy;
        continued.tokens += 1;
    }
}
