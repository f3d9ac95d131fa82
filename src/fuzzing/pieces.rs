//! An input as a row of pieces, each behind a byte with its kind and two with its length.
//!
//! A length beyond the end means all that is left, so that every input is a row of pieces.

/// A piece: its kind, and its bytes.
pub(super) type Piece<'a> = (u8, &'a [u8]);

/// Takes an input apart.
pub(super) fn pieces(mut input: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        let ([kind, high, low], rest) = input.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (piece, rest) = rest.split_at(length.min(rest.len()));
        input = rest;
        Some((*kind, piece))
    })
}

/// The input that [`pieces`] takes apart again.
pub(super) fn join(pieces: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut input = Vec::new();
    for (kind, piece) in pieces {
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        input.push(*kind);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(&piece[..usize::from(length)]);
    }
    input
}
