//! Constructs of dbt's Jinja, rendered and compared whole.

mod constructs;
mod corpus;
mod limits;
mod projects;
mod world;

use super::library::blocks;
use world::{TestWorld, library, render, told};
