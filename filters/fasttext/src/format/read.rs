//! From bytes to the parts of a model. Every count is held against the bytes that are left before anything is allocated.

use super::cursor::Cursor;
use super::{MAGIC, VERSION, VERSION_WITHOUT_SUBWORDS};
use crate::bytes::Bytes;
use crate::model::Parts;
use crate::{
    Args, CENTROIDS, DenseMatrix, Dictionary, Entry, EntryKind, Error, KeptBuckets, Loss, Matrix, ModelKind,
    ProductQuantiser, QuantisedMatrix, QuantisedNorms, Result,
};

/// Reads the parts of a model. Matrices stay where they lie; the dictionary is copied.
///
/// Bytes behind the model are not looked at.
pub(crate) fn read(bytes: Bytes) -> Result<Parts> {
    let mut cursor = Cursor::new(bytes);
    let args = read_args(&mut cursor)?;
    let dictionary = read_dictionary(&mut cursor, &args)?;
    let quantised = cursor.flag("quant")?;
    let input = read_matrix(&mut cursor, quantised)?;
    if !quantised && dictionary.kept_buckets().is_some() {
        return Err(Error::malformed("pruneidx_size", "a model that is not quantised cannot be pruned"));
    }
    let quantised_output = cursor.flag("qout")?;
    let output = read_matrix(&mut cursor, quantised && quantised_output)?;
    Ok(Parts { args, dictionary, input, output, quantised_output })
}

fn read_args(cursor: &mut Cursor) -> Result<Args> {
    let magic = cursor.i32("magic")?;
    if magic != MAGIC {
        return Err(Error::NotAModel { found: magic as u32 });
    }
    let version = cursor.i32("version")?;
    if ![VERSION, VERSION_WITHOUT_SUBWORDS].contains(&version) {
        return Err(Error::Version { found: version });
    }
    let unknown = |field, number| Error::malformed(field, format!("{number} is not known"));
    // Fields are read in the order in which they are written here.
    let mut args = Args {
        dim: cursor.i32("dim")?,
        ws: cursor.i32("ws")?,
        epoch: cursor.i32("epoch")?,
        min_count: cursor.i32("minCount")?,
        neg: cursor.i32("neg")?,
        word_ngrams: cursor.i32("wordNgrams")?,
        loss: {
            let number = cursor.i32("loss")?;
            Loss::from_number(number).ok_or_else(|| unknown("loss", number))?
        },
        model: {
            let number = cursor.i32("model")?;
            ModelKind::from_number(number).ok_or_else(|| unknown("model", number))?
        },
        bucket: cursor.i32("bucket")?,
        minn: cursor.i32("minn")?,
        maxn: cursor.i32("maxn")?,
        lr_update_rate: cursor.i32("lrUpdateRate")?,
        t: cursor.f64("t")?,
    };
    if version == VERSION_WITHOUT_SUBWORDS && args.model == ModelKind::Supervised {
        args.maxn = 0;
    }
    args.validate()?;
    Ok(args)
}

fn read_dictionary(cursor: &mut Cursor, args: &Args) -> Result<Dictionary> {
    let size = cursor.count_i32("size")?;
    let words = cursor.count_i32("nwords")?;
    let labels = cursor.count_i32("nlabels")?;
    if words + labels != size {
        let problem = format!("{words} words and {labels} labels in {size} entries");
        return Err(Error::malformed("size", problem));
    }
    let token_count = cursor.i64("ntokens")?;
    let pruned = cursor.i64("pruneidx_size")?;

    let (entries, letters) = measure_entries(cursor.rest(), size)?;
    let entries = cursor.take("entries", entries as u64)?;
    let kept_buckets = match pruned {
        -1 => None,
        _ => Some(read_kept_buckets(cursor, pruned)?),
    };

    let mut dictionary = Dictionary::new(args, token_count, kept_buckets)?;
    dictionary.reserve(size, letters);
    let mut rest = &entries[..];
    for id in 0..size {
        let entry = split_entry(&mut rest).expect("the entries were measured");
        let expected = if id < words { EntryKind::Word } else { EntryKind::Label };
        let kind = match entry.kind {
            0 => EntryKind::Word,
            1 => EntryKind::Label,
            other => return Err(Error::malformed("entries", format!("entry {id} is of kind {other}"))),
        };
        if kind != expected {
            return Err(Error::malformed("entries", format!("entry {id} is a {kind:?} among the first {words} words")));
        }
        dictionary.push(Entry { word: entry.word, count: entry.count, kind })?;
    }
    Ok(dictionary)
}

struct RawEntry<'a> {
    word: &'a [u8],
    count: i64,
    kind: u8,
}

/// Splits an entry off the front.
fn split_entry<'a>(rest: &mut &'a [u8]) -> Option<RawEntry<'a>> {
    let length = rest.iter().position(|&byte| byte == 0)?;
    let (word, after) = (&rest[..length], &rest[length + 1..]);
    let (count, after) = after.split_first_chunk()?;
    let (kind, after) = after.split_first()?;
    *rest = after;
    Some(RawEntry { word, count: i64::from_le_bytes(*count), kind: *kind })
}

/// Bytes that `size` entries take, and how many of them are letters.
fn measure_entries(bytes: &[u8], size: usize) -> Result<(usize, usize)> {
    let mut rest = bytes;
    let mut letters = 0;
    for _ in 0..size {
        let available = rest.len() as u64;
        match split_entry(&mut rest) {
            Some(entry) => letters += entry.word.len(),
            None => return Err(Error::Truncated { field: "entries", needed: available + 1, available }),
        }
    }
    Ok((bytes.len() - rest.len(), letters))
}

fn read_kept_buckets(cursor: &mut Cursor, count: i64) -> Result<KeptBuckets> {
    let count = u64::try_from(count).map_err(|_| Error::malformed("pruneidx_size", format!("it is {count}")))?;
    let pairs = cursor.take_table("pruneidx", count, 2, 4)?;
    let number =
        |bytes: &[u8; 8], at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(KeptBuckets::new(pairs.as_chunks::<8>().0.iter().map(|pair| (number(pair, 0), number(pair, 4))).collect()))
}

fn read_matrix(cursor: &mut Cursor, quantised: bool) -> Result<Matrix> {
    if quantised { read_quantised(cursor).map(Matrix::from) } else { read_dense(cursor).map(Matrix::from) }
}

fn read_dense(cursor: &mut Cursor) -> Result<DenseMatrix> {
    let rows = cursor.count_i64("matrix rows")?;
    let columns = cursor.count_i64("matrix columns")?;
    // Without the bytes to prove it, neither number means anything: 2^62 rows of length 0 take no room.
    if columns == 0 && rows > 0 {
        return Err(Error::malformed("matrix columns", format!("{rows} rows of length 0")));
    }
    let values = cursor.take_table("matrix", rows, columns, 4)?;
    DenseMatrix::from_bytes(rows as usize, columns as usize, values)
}

fn read_quantised(cursor: &mut Cursor) -> Result<QuantisedMatrix> {
    let norms_apart = cursor.flag("qnorm")?;
    let rows = cursor.count_i64("matrix rows")?;
    let columns = cursor.count_i64("matrix columns")?;
    let code_bytes = cursor.count_i32("codesize")?;
    let codes = cursor.take("codes", code_bytes as u64)?;
    let quantiser = read_quantiser(cursor)?;
    if quantiser.dimension() as u64 != columns {
        let problem = format!("vectors of length {} in a matrix of {columns} columns", quantiser.dimension());
        return Err(Error::malformed("quantiser", problem));
    }
    let norms = match norms_apart {
        false => None,
        true => Some(QuantisedNorms { codes: cursor.take("norm codes", rows)?, quantiser: read_quantiser(cursor)? }),
    };
    let rows = usize::try_from(rows).map_err(|_| Error::malformed("matrix rows", format!("it is {rows}")))?;
    QuantisedMatrix::new(rows, quantiser, codes, norms)
}

fn read_quantiser(cursor: &mut Cursor) -> Result<ProductQuantiser> {
    let dimension = cursor.count_i32("quantiser dim")?;
    let pieces = cursor.count_i32("quantiser nsubq")?;
    let piece_length = cursor.count_i32("quantiser dsub")?;
    let last_piece_length = cursor.count_i32("quantiser lastdsub")?;
    let centroids = cursor.take_table("centroids", dimension as u64, CENTROIDS as u64, 4)?;
    let centroids = centroids.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let quantiser = ProductQuantiser::new(dimension, piece_length, centroids)?;
    if (quantiser.pieces(), quantiser.last_piece_length()) != (pieces, last_piece_length) {
        let problem =
            format!("{pieces} pieces, the last of length {last_piece_length}, for vectors of length {dimension}");
        return Err(Error::malformed("quantiser", problem));
    }
    Ok(quantiser)
}
