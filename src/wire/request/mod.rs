//! Where the parts of each request lie; values stay undecoded.
