//! A project loader as a component: files and telemetry come in, the loader goes out.

use std::marker::PhantomData;

use super::{bindings::project::exports::cofferdam::task::project as p, convert::list, host::Host};
use crate::{Argument, Project, ProjectConfig, ProjectContext};

impl From<p::Argument> for Argument {
    fn from(argument: p::Argument) -> Self {
        Self { name: argument.name, json: argument.json }
    }
}

impl From<Argument> for p::Argument {
    fn from(argument: Argument) -> Self {
        Self { name: argument.name, json: argument.json }
    }
}

/// A project loader as a component.
pub struct ProjectGuest<P>(PhantomData<P>);

impl<P: Project> p::Guest for ProjectGuest<P> {
    fn describe(config: p::ProjectConfig) -> Result<p::Description, Vec<p::Problem>> {
        let config = ProjectConfig {
            root: config.root,
            gateway: config.gateway,
            adapter: config.adapter,
            vars: list(config.vars),
            settings: list(config.settings),
        };
        let described = P::describe(&ProjectContext { files: &Host, telemetry: &Host }, config);
        let described = described.map_err(|problems| {
            let turned = problems.into_iter();
            turned
                .map(|of| p::Problem { path: of.path, line: of.line, message: of.message })
                .collect::<Vec<_>>()
        })?;
        let files = described.files.into_iter();
        let files = files.map(|of| p::Generated { path: of.path, content: of.content }).collect();
        let tasks = described.tasks.into_iter().map(|of| p::TaskSpec {
            id: of.id,
            entry: of.entry,
            needs: of.needs,
            path: of.path,
            tags: of.tags,
            settings: list(of.settings),
            sql: of
                .sql
                .into_iter()
                .map(|of| p::SqlRequest {
                    gateway: of.gateway,
                    mode: of.mode,
                    reads: of.reads,
                    writes: of.writes,
                })
                .collect(),
            reads_kept: of.reads_kept,
        });
        Ok(p::Description { tasks: tasks.collect(), files })
    }
}
