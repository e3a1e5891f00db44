//! KenLM n-gram language models: querying, building and estimating, exact to the C++ tools.
