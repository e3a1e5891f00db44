//! From the parts of a model to the bytes that the C++ library would write.

use std::io::{self, Write};

use super::{MAGIC, VERSION};
use crate::model::Parts;
use crate::{Args, DenseMatrix, Dictionary, Matrix, ProductQuantiser, QuantisedMatrix};

/// Writes a model in version 12.
pub(crate) fn write(parts: &Parts, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&MAGIC.to_le_bytes())?;
    out.write_all(&VERSION.to_le_bytes())?;
    write_args(&parts.args, out)?;
    write_dictionary(&parts.dictionary, out)?;
    let quantised = matches!(parts.input, Matrix::Quantised(_));
    out.write_all(&[u8::from(quantised)])?;
    write_matrix(&parts.input, out)?;
    out.write_all(&[u8::from(parts.quantised_output)])?;
    write_matrix(&parts.output, out)
}

fn write_args(args: &Args, out: &mut impl Write) -> io::Result<()> {
    let Args { dim, ws, epoch, min_count, neg, word_ngrams, loss, model, bucket, minn, maxn, lr_update_rate, t } =
        *args;
    let (loss, model) = (loss as i32, model as i32);
    for number in [dim, ws, epoch, min_count, neg, word_ngrams, loss, model, bucket, minn, maxn, lr_update_rate] {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&t.to_le_bytes())
}

fn write_dictionary(dictionary: &Dictionary, out: &mut impl Write) -> io::Result<()> {
    for count in [dictionary.len(), dictionary.word_count(), dictionary.label_count()] {
        out.write_all(&(count as i32).to_le_bytes())?;
    }
    out.write_all(&dictionary.token_count().to_le_bytes())?;
    let pruned = dictionary.kept_buckets().map_or(-1, |kept| kept.pairs().len() as i64);
    out.write_all(&pruned.to_le_bytes())?;
    for entry in dictionary.entries() {
        out.write_all(entry.word)?;
        out.write_all(&[0])?;
        out.write_all(&entry.count.to_le_bytes())?;
        out.write_all(&[entry.kind as u8])?;
    }
    for (bucket, place) in dictionary.kept_buckets().map_or(&[][..], |kept| kept.pairs()) {
        out.write_all(&bucket.to_le_bytes())?;
        out.write_all(&place.to_le_bytes())?;
    }
    Ok(())
}

fn write_matrix(matrix: &Matrix, out: &mut impl Write) -> io::Result<()> {
    match matrix {
        Matrix::Dense(matrix) => write_dense(matrix, out),
        Matrix::Quantised(matrix) => write_quantised(matrix, out),
    }
}

fn write_dense(matrix: &DenseMatrix, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&(matrix.rows() as i64).to_le_bytes())?;
    out.write_all(&(matrix.columns() as i64).to_le_bytes())?;
    out.write_all(matrix.bytes())
}

fn write_quantised(matrix: &QuantisedMatrix, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[u8::from(matrix.norms().is_some())])?;
    out.write_all(&(matrix.rows() as i64).to_le_bytes())?;
    out.write_all(&(matrix.columns() as i64).to_le_bytes())?;
    out.write_all(&(matrix.codes().len() as i32).to_le_bytes())?;
    out.write_all(matrix.codes())?;
    write_quantiser(matrix.quantiser(), out)?;
    if let Some(norms) = matrix.norms() {
        out.write_all(&norms.codes)?;
        write_quantiser(&norms.quantiser, out)?;
    }
    Ok(())
}

fn write_quantiser(quantiser: &ProductQuantiser, out: &mut impl Write) -> io::Result<()> {
    let numbers = [quantiser.dimension(), quantiser.pieces(), quantiser.piece_length(), quantiser.last_piece_length()];
    for number in numbers {
        out.write_all(&(number as i32).to_le_bytes())?;
    }
    quantiser.centroids().iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}
