//! SentencePiece models (`.model`): reading, normalising and encoding, exact to the C++ library.
