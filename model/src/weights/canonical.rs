//! Tensors under Hugging Face's names, however a file joins or packs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;

use super::quantised::ggml;
use super::quantised::gptq::{Gptq, Parts, Zeros};
use super::stored::{Element, Float, Stored};
use super::tensor::Tensor;
use crate::{Error, Result};

/// Most experts that lie in one tensor.
const MAX_EXPERTS: usize = 1 << 16;

/// What a model's files have.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// Weights by name.
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// Tensors that are no weights: their file, and why not.
    pub(super) others: BTreeMap<String, (Arc<Path>, &'static str)>,
}

impl Canonical {
    /// Gives tensors of files their names.
    ///
    /// # Errors
    /// If two would have the same, or packed ones do not fit together.
    pub(super) fn new(stored: Vec<Stored>) -> Result<Self> {
        let mut canonical = Self::default();
        let mut left = BTreeMap::new();
        for stored in stored {
            let (name, path) = (stored.name.clone(), stored.path.clone());
            if left.insert(name.clone(), stored).is_some() {
                return Err(Error::tensor(&path, name, "comes twice"));
            }
        }
        let packed: Vec<String> =
            left.keys().filter_map(|name| Some(name.strip_suffix(".qweight")?.to_owned())).collect();
        for module in packed {
            let (path, tensor) = unpacked(&module, &mut left)?;
            canonical.add_tensor(&path, format!("{module}.weight"), tensor)?;
        }
        for (_, stored) in left {
            canonical.add(stored)?;
        }
        Ok(canonical)
    }

    fn add(&mut self, stored: Stored) -> Result<()> {
        let (name, path) = (stored.name.clone(), stored.path.clone());
        let element = match stored.element {
            _ if stored.shape.contains(&0) => return self.add_other(name, path, "is empty"),
            Element::Integer(_) => return self.add_other(name, path, "holds integers, and weights are floats"),
            Element::Float(element) => element,
        };
        let Some((experts, matrix)) = name.rsplit_once('.').filter(|(before, _)| before.ends_with(".mlp.experts"))
        else {
            return self.add_tensor(&path, name, Tensor::stored(stored, element));
        };
        let parts: &[&str] = match matrix {
            "gate_up_proj" => &["gate_proj", "up_proj"],
            "gate_proj" => &["gate_proj"],
            "up_proj" => &["up_proj"],
            "down_proj" => &["down_proj"],
            _ => return self.add_tensor(&path, name, Tensor::stored(stored, element)),
        };
        let [count, rows, _] = stored.shape[..] else {
            return Err(Error::tensor(&path, &name, format!("is {:?}, and experts have three axes", stored.shape)));
        };
        if count > MAX_EXPERTS || !rows.is_multiple_of(parts.len()) {
            return Err(Error::tensor(&path, &name, format!("is {:?}, no matrices of experts", stored.shape)));
        }
        let (whole, height) = (Tensor::stored(stored, element), rows / parts.len());
        for expert in 0..count {
            for (number, part) in parts.iter().enumerate() {
                let first = expert * rows + number * height;
                let tensor = whole.slice_rows(first..first + height);
                self.add_tensor(&path, format!("{experts}.{expert}.{part}.weight"), tensor)?;
            }
        }
        Ok(())
    }

    fn add_other(&mut self, name: String, path: Arc<Path>, why: &'static str) -> Result<()> {
        self.others.insert(name, (path, why));
        Ok(())
    }

    fn add_tensor(&mut self, path: &Path, name: String, tensor: Tensor) -> Result<()> {
        if self.tensors.contains_key(&name) {
            return Err(Error::tensor(path, name, "comes twice, under this name and joined with others"));
        }
        self.tensors.insert(name, tensor);
        Ok(())
    }
}

/// A matrix in GPTQ's packing, whose tensors are taken from those left.
fn unpacked(module: &str, left: &mut BTreeMap<String, Stored>) -> Result<(Arc<Path>, Tensor)> {
    let mut take = |part: &str| left.remove(&format!("{module}.{part}"));
    let (qweight, qzeros, scales, g_idx) = (take("qweight"), take("qzeros"), take("scales"), take("g_idx"));
    let qweight = qweight.expect("the module was found by it");
    let path = qweight.path.clone();
    let wrong = |part: &str, problem: String| Error::tensor(&path, format!("{module}.{part}"), problem);
    let qzeros = qzeros.ok_or_else(|| wrong("qzeros", "is missing beside `qweight`".into()))?;
    let scales = scales.ok_or_else(|| wrong("scales", "is missing beside `qweight`".into()))?;
    for (part, tensor) in
        [("qweight", &qweight), ("qzeros", &qzeros)].into_iter().chain(g_idx.as_ref().map(|it| ("g_idx", it)))
    {
        if tensor.element != Element::Integer(4) || tensor.strides.is_some() {
            return Err(wrong(part, "is not of integers of 32 bits, one after the other".into()));
        }
    }
    let scales_type = match scales.element {
        Element::Float(Float::Ggml(ggml::Kind::F16)) if scales.strides.is_none() => Dtype::F16,
        Element::Float(Float::Ggml(ggml::Kind::BF16)) if scales.strides.is_none() => Dtype::BF16,
        Element::Float(Float::Ggml(ggml::Kind::F32)) if scales.strides.is_none() => Dtype::F32,
        _ => return Err(wrong("scales", "is not of float16, bfloat16 or float32, one after the other".into())),
    };
    let ([words, out_features], [groups, packed]) = (matrix(&qweight), matrix(&qzeros));
    // Zeros of as many bits as weights lie side by side in integers of 32 bits.
    let bits = (packed * 32).checked_div(out_features).unwrap_or(0);
    if !matches!(bits, 4 | 8) || bits * out_features != packed * 32 {
        let problem = format!("is {:?} beside {out_features} outputs: no weights of 4 or 8 bits", qzeros.shape);
        return Err(wrong("qzeros", problem));
    }
    let in_features = words * 32 / bits;
    if matrix(&scales) != [groups, out_features] || groups == 0 {
        let problem = format!("is {:?}, and there are {groups} groups and {out_features} outputs", scales.shape);
        return Err(wrong("scales", problem));
    }
    let parts = Parts {
        bits: bits as u32,
        group_size: Some(in_features.div_ceil(groups)),
        in_features,
        out_features,
        zeros: Zeros::default(),
        qweight: qweight.bytes,
        qzeros: qzeros.bytes,
        scales: scales.bytes,
        scales_type,
        g_idx: g_idx.map(|tensor| tensor.bytes),
    };
    let gptq = Gptq::new(parts, &path, module)?;
    Ok((path.clone(), Tensor::gptq(path.clone(), gptq, bits as u32)))
}

/// Rows and columns; neither if it is no matrix.
fn matrix(stored: &Stored) -> [usize; 2] {
    stored.shape.as_slice().try_into().unwrap_or([0, 0])
}
