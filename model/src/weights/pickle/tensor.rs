//! Tensors in pickles: a call of one of torch's functions, with a storage, an offset, a shape and strides.
//!
//! Source: `torch/_utils.py` and `torch/_tensor.py` of PyTorch 2.

use super::{Id, Pickle, Value};
use crate::weights::stored::{Element, Stored};
use crate::{Error, Result};

/// Most axes of a tensor.
const MAX_AXES: usize = 16;
/// Calls around a tensor.
const MAX_CALLS: usize = 4;

impl Pickle {
    /// A tensor, if the value is one.
    ///
    /// # Errors
    /// If it is damaged, or of a type that is not read.
    pub(super) fn tensor(&self, id: Id, name: &str) -> Result<Option<Stored>> {
        let mut call = self.call(id);
        for _ in 0..MAX_CALLS {
            let Some((module, function, arguments)) = call else { return Ok(None) };
            call = match (module, function) {
                ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
                    let wrong = |problem: &str| Error::tensor(self.path(), name, problem);
                    let view = self.view(arguments).ok_or_else(|| wrong("is no tensor, though it is called one"))?;
                    return self.stored(name, view).map(Some);
                }
                ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                    arguments.first().and_then(|id| self.call(*id))
                }
                ("torch._tensor", "_rebuild_from_type_v2") => match arguments {
                    [function, _, arguments, ..] => self.function(*function, *arguments),
                    _ => None,
                },
                ("torch._utils", other) if other.starts_with("_rebuild") => {
                    return Err(Error::tensor(self.path(), name, format!("is made by `{other}`, which is not read")));
                }
                _ => return Ok(None),
            };
        }
        Ok(None)
    }

    /// What a call calls, and with what.
    fn call(&self, id: Id) -> Option<(&str, &str, &[Id])> {
        let Value::Made { from, arguments, .. } = self.value(id) else { return None };
        self.function(*from, *arguments)
    }

    fn function(&self, function: Id, arguments: Id) -> Option<(&str, &str, &[Id])> {
        let Value::Global(name) = self.value(function) else { return None };
        let Value::Tuple(arguments) = self.value(arguments) else { return None };
        Some((&name.0, &name.1, arguments))
    }

    fn size(&self, id: Id) -> Option<usize> {
        if let Value::Int(number) = self.value(id) { usize::try_from(*number).ok() } else { None }
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Tuple(items) = self.value(id) else { return None };
        (items.len() <= MAX_AXES).then(|| items.iter().map(|item| self.size(*item)).collect())?
    }

    /// Storage, offset, shape, strides and whatever else.
    fn view(&self, arguments: &[Id]) -> Option<View<'_>> {
        let [storage, offset, shape, strides, ..] = *arguments else { return None };
        let Value::Persistent(storage) = self.value(storage) else { return None };
        let Value::Tuple(storage) = self.value(*storage) else { return None };
        let [word, kind, key, _, _, ..] = **storage else { return None };
        let Value::Global(kind) = self.value(kind) else { return None };
        (self.text(word)? == "storage").then_some(View {
            kind: &kind.1,
            key: self.text(key)?,
            offset: self.size(offset)?,
            shape: self.sizes(shape)?,
            strides: self.sizes(strides)?,
        })
    }

    fn stored(&self, name: &str, view: View<'_>) -> Result<Stored> {
        let wrong = |problem: String| Error::tensor(self.path(), name, problem);
        let View { kind, key, offset, shape, strides } = view;
        let element = element(kind).ok_or_else(|| wrong(format!("is of numbers in a `{kind}`, which is not read")))?;
        let storage = self.storages.get(key);
        let storage = storage.ok_or_else(|| wrong(format!("is in the storage `{key}`, which the file has not")))?;
        let size = element.block().1;
        let start = (offset as u64).checked_mul(size as u64).ok_or_else(|| wrong(format!("begins at {offset}")))?;
        if strides.len() != shape.len() {
            return Err(wrong(format!("is {shape:?}, and has strides {strides:?}")));
        }
        if is_dense(&shape, &strides) {
            return Stored::dense(self.path(), name, shape, element, storage, start);
        }
        // The place of the last element; axes without elements were dense.
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(0_usize, |place, (axis, stride)| place.checked_add((axis - 1).checked_mul(*stride)?));
        let bytes = last.and_then(|last| last.checked_add(1)?.checked_mul(size));
        let elements = shape.iter().try_fold(1_usize, |product, axis| product.checked_mul(*axis));
        let fits = bytes.and_then(|bytes| storage.cut(start, bytes as u64));
        match (fits, elements) {
            // A view may show an element more than once, but no file of weights has one that is larger than the file.
            (Some(bytes), Some(elements)) if elements <= storage.len() => {
                let (name, path) = (name.to_owned(), self.path().clone());
                Ok(Stored { name, path, shape, element, bytes, strides: Some(strides) })
            }
            _ => Err(wrong(format!(
                "is {shape:?} with strides {strides:?} from {offset} on, and its storage `{key}` has {} bytes (is the \
                 file cut off?)",
                storage.len()
            ))),
        }
    }
}

/// What a tensor shows of a storage.
struct View<'a> {
    kind: &'a str,
    key: &'a str,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Whether elements lie one after the other, or there are none.
fn is_dense(shape: &[usize], strides: &[usize]) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let mut expected = 1_usize;
    shape.iter().zip(strides).rev().all(|(axis, stride)| {
        let fits = *axis == 1 || *stride == expected;
        expected = expected.saturating_mul(*axis);
        fits
    })
}

fn element(kind: &str) -> Option<Element> {
    Some(match kind {
        "DoubleStorage" => Element::F64,
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::BF16,
        "LongStorage" => Element::Integer(8),
        "IntStorage" => Element::Integer(4),
        "ShortStorage" => Element::Integer(2),
        "CharStorage" | "ByteStorage" | "BoolStorage" => Element::Integer(1),
        _ => return None,
    })
}
