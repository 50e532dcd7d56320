//! pipeline.toml: types, validation, errors that point at line and column.
