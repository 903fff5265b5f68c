//! Constructs of dbt's Jinja, rendered and compared whole.

mod constructs;
mod world;

use super::*;
use world::{TestWorld, library, render, told};
