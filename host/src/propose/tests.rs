//! Steps that need a model and no sandbox, against the scripted server over real HTTP.
