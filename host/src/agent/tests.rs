//! The loop with scripted models, in the real sandbox.
