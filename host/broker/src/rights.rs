//! What an attempt may do, as the door asks for it.

use std::sync::Arc;

use cofferdam_call::{Access, Call};
use cofferdam_cap_sql::SessionWall;
use cofferdam_grants::{Admission, Allowed, Ask, Decision};
use cofferdam_ids::{GatewayName, GrantId, Sha256Digest};

use crate::refusals;

/// Decides on calls. Pure: the same question has the same answer for the length of the attempt.
pub trait Rights: Send + Sync {
    /// Whether a call may be performed.
    fn decide(&self, ask: &Ask<'_>) -> Decision;
    /// What the engine of a session is to let through.
    fn wall(&self, gateway: &GatewayName, access: Access) -> SessionWall;
    /// Whether a file of the release exists for the guest.
    fn sees_file(&self, path: &str) -> bool;
}

impl Rights for Admission {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        self.decide(ask)
    }

    fn wall(&self, gateway: &GatewayName, access: Access) -> SessionWall {
        let reads = Arc::new(self.sql_wall(gateway, access));
        let writes = Arc::clone(&reads);
        SessionWall {
            reads: Arc::new(move |schema, name| reads.allows_read(schema, name)),
            writes: Arc::new(move |schema, name| writes.allows_write(schema, name)),
        }
    }

    fn sees_file(&self, path: &str) -> bool {
        self.files().iter().flat_map(|rule| &rule.prefixes).any(|prefix| path.starts_with(prefix.as_str()))
    }
}

/// The rights of a project loader while a release is built: the release's files and a log, and
/// nothing else. No grant is needed, because nothing but what the builder handed over is lent.
pub struct DescribeRights {
    grant: GrantId,
}

impl DescribeRights {
    /// Records name `grant` as the rule, e.g. `release-build`.
    pub fn new(grant: GrantId) -> Self {
        Self { grant }
    }
}

impl Rights for DescribeRights {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        match ask.call {
            Call::FileList { .. } | Call::FileRead { .. } | Call::Log { .. } | Call::Progress { .. } => {
                Decision::Allow(Allowed {
                    grant: self.grant.clone(),
                    grant_sha256: Sha256Digest::from_bytes([0; 32]),
                    line: 0,
                })
            }
            _ => Decision::Refuse { refusal: refusals::describing(), rule: None },
        }
    }

    fn wall(&self, _gateway: &GatewayName, _access: Access) -> SessionWall {
        SessionWall::nothing()
    }

    fn sees_file(&self, _path: &str) -> bool {
        true
    }
}
