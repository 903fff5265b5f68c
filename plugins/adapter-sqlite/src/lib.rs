//! The SQLite adapter: dialect, relations, create-as, views, insert, bulk load.
