//! A loaded model, whatever it is and wherever it runs.

use crate::backend::{Backend, Scored, Target};
use crate::batch::Batch;
use crate::transformer::{State, Traced, Transformer};
use crate::{Error, Result};

/// What a layer computed: its number, what it is, and the numbers, `[rows, width]`.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The layer.
    pub layer: usize,
    /// `input_norm_out`, `lfa_out`, `attn_out`, `post_norm_out`, `router_logits`, `mlp_out`…
    pub name: &'static str,
    /// The numbers.
    pub values: Vec<f32>,
}

/// What can be asked of a loaded model.
pub trait Engine: Send + Sync {
    /// How well tokens are predicted by the rows before them.
    ///
    /// # Errors
    /// If an id is not in the vocabulary, a target's row is not in the batch, or the device fails.
    fn score(&self, batch: &Batch, targets: &[Target]) -> Result<Vec<Scored>>;

    /// Logits of some rows, `[rows, vocab]`.
    ///
    /// # Errors
    /// As for [`score`](Self::score).
    fn logits(&self, batch: &Batch, rows: &[u32]) -> Result<Vec<f32>>;

    /// Everything on the way of a batch, and its last activations as `final_hidden`.
    ///
    /// # Errors
    /// As for [`score`](Self::score).
    fn activations(&self, batch: &Batch) -> Result<Vec<Activation>>;

    /// A session of some sequences that are read token by token.
    fn session(&self, sequences: usize) -> Box<dyn Session + '_>;

    /// Bytes that the device has free, where it has memory of its own.
    ///
    /// # Errors
    /// If the device fails.
    fn free_memory(&self) -> Result<Option<u64>>;
}

/// Sequences that grow.
pub trait Session {
    /// Reads the next tokens of every sequence and returns the logits behind the last of each, `[sequences, vocab]`.
    /// A sequence that gets no token gets no logits.
    ///
    /// # Errors
    /// If there is not one list of tokens for each sequence, an id is not in the vocabulary, or the device fails.
    fn read(&mut self, tokens: &[&[u32]]) -> Result<Vec<f32>>;

    /// Reads as [`read`](Self::read) does, and hands over the logits behind some tokens: of each sequence those from the place `from`
    /// (among those given) on. `take` gets the sequence, the token's place and its logits, `[vocab]`, in this order.
    ///
    /// Memory: logits of a hundred tokens or so, not of all.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and if there is not a place for each sequence.
    fn read_from(
        &mut self,
        tokens: &[&[u32]],
        from: &[usize],
        take: &mut dyn FnMut(usize, usize, &mut [f32]),
    ) -> Result<()>;

    /// Reads as [`read`](Self::read) does, and tells how well tokens are predicted by rows, which are those of all tokens given, laid
    /// end to end.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and if a target's row is not there.
    fn score(&mut self, tokens: &[&[u32]], targets: &[Target]) -> Result<Vec<Scored>>;

    /// Tokens read of a sequence.
    ///
    /// # Panics
    /// If there is no such sequence.
    fn tokens(&self, sequence: usize) -> usize;

    /// What a layer remembers of a sequence, by name: `k_cache` and `v_cache`, `[heads, tokens, head width]`, and
    /// `lf_memory`, the last row that localized filtering has read.
    ///
    /// # Errors
    /// If there is no such sequence or layer, or the device fails.
    fn memory(&self, sequence: usize, layer: usize) -> Result<Vec<(&'static str, Vec<f32>)>>;

    /// Forgets a sequence, whose followers move up.
    ///
    /// # Panics
    /// If there is no such sequence.
    fn remove(&mut self, sequence: usize);

    /// Appends a sequence of which nothing has been read. When its first token is, memory for the keys and values of `room` tokens is
    /// taken at once, and no more until it has as many; 0 takes what is needed, and doubles it now and then.
    fn add(&mut self, room: usize);

    /// Lets a sequence of which nothing has been read go on from where another is, as if it had read the same tokens. The room of
    /// each stays its own.
    ///
    /// # Errors
    /// If there are not two such sequences, or the device fails.
    fn copy(&mut self, from: usize, to: usize) -> Result<()>;
}

/// Tokens whose logits are in memory at one time.
const ROWS: usize = 128;

/// A model on its backend.
pub(crate) struct Loaded<B: Backend> {
    pub(crate) backend: B,
    pub(crate) transformer: Transformer<B>,
}

impl<B: Backend> Engine for Loaded<B> {
    fn score(&self, batch: &Batch, targets: &[Target]) -> Result<Vec<Scored>> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let hidden = self.transformer.forward(&self.backend, batch, &mut [], None)?;
        self.score_rows(&hidden, batch.len(), targets)
    }

    fn logits(&self, batch: &Batch, rows: &[u32]) -> Result<Vec<f32>> {
        check_rows(batch.len(), rows)?;
        let hidden = self.transformer.forward(&self.backend, batch, &mut [], None)?;
        self.backend.logits(&self.backend.rows(&hidden, rows)?, self.transformer.head())
    }

    fn activations(&self, batch: &Batch) -> Result<Vec<Activation>> {
        let mut found = Vec::new();
        let mut failed = None;
        let mut trace = |layer, name, traced: Traced<'_, B>| match self.numbers(layer, name, traced) {
            Ok(numbers) => found.extend(numbers),
            Err(error) => failed = Some(error),
        };
        let hidden = self.transformer.forward(&self.backend, batch, &mut [], Some(&mut trace))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let values = self.backend.to_vec(&hidden)?;
        found.push(Activation { layer: self.transformer.layers(), name: "final_hidden", values });
        Ok(found)
    }

    fn session(&self, sequences: usize) -> Box<dyn Session + '_> {
        let layers = self.transformer.layers();
        Box::new(Growing { model: self, states: (0..sequences).map(|_| State::new(layers, 0)).collect() })
    }

    fn free_memory(&self) -> Result<Option<u64>> {
        self.backend.free_memory()
    }
}

impl<B: Backend> Loaded<B> {
    /// How well targets are predicted by some of so many rows.
    fn score_rows(&self, hidden: &B::Array, count: usize, targets: &[Target]) -> Result<Vec<Scored>> {
        let rows: Vec<u32> = targets.iter().map(|target| target.row).collect();
        let ids: Vec<u32> = targets.iter().map(|target| target.id).collect();
        check_rows(count, &rows)?;
        self.backend.score(&self.backend.rows(hidden, &rows)?, self.transformer.head(), &ids)
    }

    fn numbers(&self, layer: usize, name: &'static str, traced: Traced<'_, B>) -> Result<Vec<Activation>> {
        match traced {
            Traced::Array(array) => Ok(vec![Activation { layer, name, values: self.backend.to_vec(array)? }]),
            Traced::Routes(routes) => {
                let (ids, weights) = self.backend.routes_to_vec(routes)?;
                let ids = ids.into_iter().map(|id| id as f32).collect();
                Ok(vec![
                    Activation { layer, name: "router_topk_idx", values: ids },
                    Activation { layer, name: "router_topk_weight", values: weights },
                ])
            }
        }
    }
}

fn check_rows(count: usize, rows: &[u32]) -> Result<()> {
    match rows.iter().find(|row| **row as usize >= count) {
        Some(row) => Err(Error::request(format!("row {row} is not in a batch of {count}"))),
        None => Ok(()),
    }
}

struct Growing<'a, B: Backend> {
    model: &'a Loaded<B>,
    states: Vec<State<B>>,
}

impl<B: Backend> Growing<'_, B> {
    /// Reads the next tokens of every sequence: activations behind them, and the row at which each sequence begins.
    fn forward(&mut self, tokens: &[&[u32]]) -> Result<(B::Array, Vec<usize>)> {
        if tokens.len() != self.states.len() {
            let (lists, sequences) = (tokens.len(), self.states.len());
            return Err(Error::request(format!(
                "{lists} lists of tokens cannot be read by {sequences} sequences: give one for each, empty where there is no token"
            )));
        }
        let mut batch = Batch::new();
        for (tokens, state) in tokens.iter().zip(&self.states) {
            batch.push_after(state.tokens(), tokens);
        }
        let Loaded { backend, transformer } = self.model;
        let hidden = transformer.forward(backend, &batch, &mut self.states, None)?;
        Ok((hidden, batch.sequences().iter().map(|rows| rows.start).collect()))
    }
}

impl<B: Backend> Session for Growing<'_, B> {
    fn read(&mut self, tokens: &[&[u32]]) -> Result<Vec<f32>> {
        let (hidden, starts) = self.forward(tokens)?;
        let ends = starts.iter().zip(tokens).filter(|(_, tokens)| !tokens.is_empty());
        let rows: Vec<u32> = ends.map(|(start, tokens)| (start + tokens.len() - 1) as u32).collect();
        let Loaded { backend, transformer } = self.model;
        backend.logits(&backend.rows(&hidden, &rows)?, transformer.head())
    }

    fn read_from(
        &mut self,
        tokens: &[&[u32]],
        from: &[usize],
        take: &mut dyn FnMut(usize, usize, &mut [f32]),
    ) -> Result<()> {
        if from.len() != tokens.len() {
            let (places, lists) = (from.len(), tokens.len());
            return Err(Error::request(format!(
                "{places} places do not say what is wanted of {lists} lists of tokens"
            )));
        }
        let (hidden, starts) = self.forward(tokens)?;
        // The row of each token whose logits are wanted, its sequence and its place there.
        let mut wanted = Vec::new();
        for (sequence, ((start, tokens), from)) in starts.iter().zip(tokens).zip(from).enumerate() {
            wanted.extend((*from..tokens.len()).map(|place| ((start + place) as u32, sequence, place)));
        }
        let Loaded { backend, transformer } = self.model;
        for wanted in wanted.chunks(ROWS) {
            let rows: Vec<u32> = wanted.iter().map(|(row, ..)| *row).collect();
            let mut logits = backend.logits(&backend.rows(&hidden, &rows)?, transformer.head())?;
            let vocab_size = logits.len() / rows.len();
            for ((_, sequence, place), logits) in wanted.iter().zip(logits.chunks_exact_mut(vocab_size)) {
                take(*sequence, *place, logits);
            }
        }
        Ok(())
    }

    fn score(&mut self, tokens: &[&[u32]], targets: &[Target]) -> Result<Vec<Scored>> {
        let (hidden, _) = self.forward(tokens)?;
        match targets {
            [] => Ok(Vec::new()),
            _ => self.model.score_rows(&hidden, tokens.iter().map(|tokens| tokens.len()).sum(), targets),
        }
    }

    fn tokens(&self, sequence: usize) -> usize {
        self.states[sequence].tokens()
    }

    fn memory(&self, sequence: usize, layer: usize) -> Result<Vec<(&'static str, Vec<f32>)>> {
        let layers = self.model.transformer.layers();
        match self.states.get(sequence) {
            Some(state) if layer < layers => self.model.backend.memory_to_vec(state.layer(layer)),
            _ => Err(Error::request(format!(
                "there is no layer {layer} of sequence {sequence}: there are {layers} layers and {} sequences",
                self.states.len()
            ))),
        }
    }

    fn remove(&mut self, sequence: usize) {
        self.states.remove(sequence);
    }

    fn add(&mut self, room: usize) {
        self.states.push(State::new(self.model.transformer.layers(), room));
    }

    fn copy(&mut self, from: usize, to: usize) -> Result<()> {
        let sequences = self.states.len();
        match self.states.get_disjoint_mut([from, to]) {
            Ok([from, to]) if to.tokens() == 0 => to.follow(&self.model.backend, from),
            _ => Err(Error::request(format!(
                "sequence {to} cannot go on from {from}: it needs another, and to have read nothing; there are {sequences}"
            ))),
        }
    }
}
