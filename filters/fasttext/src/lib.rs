//! fastText models: reading, predicting, training and quantising, exact to the C++ library.
