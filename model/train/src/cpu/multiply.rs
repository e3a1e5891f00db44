//! The three products of a matrix in training.

use yuan_kernels::gemm::{Inputs, Left, Product, Right, Start, View, multiply};

use super::weight::Weight;

/// Packed sides, whose memory is used again and again.
#[derive(Default)]
pub(super) struct Hands {
    left: Left,
    right: Right,
    /// One for each expert.
    lefts: Vec<Left>,
    rights: Vec<Right>,
}

impl Hands {
    /// `y = x · Wᵀ`.
    pub fn forward(&mut self, x: View, weight: &mut Weight, values: &[f32], start: Start, y: &mut [f32]) {
        let out = weight.out();
        self.left.pack(x, Inputs::Along, weight.precision());
        multiply(&mut [Product::new(&self.left, weight.along(values), start, y, out)]);
    }

    /// `dx = dy · W`, or added to what is there.
    pub fn input_gradient(&mut self, dy: View, weight: &mut Weight, values: &[f32], start: Start, dx: &mut [f32]) {
        let columns = weight.columns();
        self.left.pack(dy, Inputs::Along, weight.precision());
        multiply(&mut [Product::new(&self.left, weight.across(values), start, dx, columns)]);
    }

    /// `dW += dyᵀ · x`.
    pub fn weight_gradient(&mut self, dy: View, x: View, weight: &Weight, gradients: &mut [f32]) {
        self.left.pack(dy, Inputs::Across, weight.precision());
        self.right.pack(x, Inputs::Across, weight.precision());
        let dw = &mut gradients[weight.place()];
        multiply(&mut [Product::new(&self.left, &self.right, Start::Accumulate, dw, weight.columns())]);
    }

    /// `y = x · Wᵀ` for the rows of each expert, one expert's behind the other's; `x(e)` are those of an expert.
    pub fn each_forward<'a>(
        &mut self,
        x: impl Fn(usize) -> View<'a>,
        weights: &mut [Weight],
        values: &[f32],
        offsets: &[usize],
        y: &mut [f32],
    ) {
        let width = weights[0].out();
        self.pack_lefts(&x, Inputs::Along, weights);
        let rights: Vec<&Right> = weights.iter_mut().map(|weight| weight.along(values)).collect();
        run(&self.lefts, &rights, offsets, y, width);
    }

    /// `dx = dy · W` for the rows of each expert.
    pub fn each_input_gradient<'a>(
        &mut self,
        dy: impl Fn(usize) -> View<'a>,
        weights: &mut [Weight],
        values: &[f32],
        offsets: &[usize],
        dx: &mut [f32],
    ) {
        let width = weights[0].columns();
        self.pack_lefts(&dy, Inputs::Along, weights);
        let rights: Vec<&Right> = weights.iter_mut().map(|weight| weight.across(values)).collect();
        run(&self.lefts, &rights, offsets, dx, width);
    }

    /// `dW += dyᵀ · x` for each expert.
    pub fn each_weight_gradient<'a, 'b>(
        &mut self,
        dy: impl Fn(usize) -> View<'a>,
        x: impl Fn(usize) -> View<'b>,
        weights: &[Weight],
        gradients: &mut [f32],
    ) {
        self.pack_lefts(&dy, Inputs::Across, weights);
        self.rights.resize_with(weights.len(), Right::default);
        for (expert, (right, weight)) in self.rights.iter_mut().zip(weights).enumerate() {
            right.pack(x(expert), Inputs::Across, weight.precision());
        }
        // The experts' matrices lie in their order, with others between them.
        let (mut rest, mut taken) = (gradients, 0);
        let mut products = Vec::with_capacity(weights.len());
        for ((left, right), weight) in self.lefts.iter().zip(&self.rights).zip(weights) {
            let place = weight.place();
            let (own, after) = std::mem::take(&mut rest).split_at_mut(place.end - taken);
            let own = &mut own[place.start - taken..];
            (rest, taken) = (after, place.end);
            products.push(Product::new(left, right, Start::Accumulate, own, weight.columns()));
        }
        multiply(&mut products);
    }

    fn pack_lefts<'a>(&mut self, x: &impl Fn(usize) -> View<'a>, inputs: Inputs, weights: &[Weight]) {
        self.lefts.resize_with(weights.len(), Left::default);
        for (expert, (left, weight)) in self.lefts.iter_mut().zip(weights).enumerate() {
            left.pack(x(expert), inputs, weight.precision());
        }
    }
}

/// A product for each expert, whose rows of y lie one behind the other.
fn run(lefts: &[Left], rights: &[&Right], offsets: &[usize], mut y: &mut [f32], width: usize) {
    let mut products = Vec::with_capacity(lefts.len());
    for ((left, right), rows) in lefts.iter().zip(rights).zip(offsets.windows(2)) {
        let own = y.split_off_mut(..(rows[1] - rows[0]) * width).expect("offsets count the rows of y");
        products.push(Product::new(left, right, Start::Zero, own, width));
    }
    multiply(&mut products);
}
