//! What the settings of all warehouse servers have in common.

use cofferdam_vault::Secret;

/// What the operator allows a gateway in words, beyond what is safe by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a word in the gateway's list")]
pub struct Allowances {
    /// `plaintext`: no TLS although the server is on another machine.
    pub plaintext: bool,
    /// `password-in-clear-over-tls`: the server gets to see the password itself.
    pub password_in_clear_over_tls: bool,
    /// `md5-password`: PostgreSQL's old way, which lets whoever asked log in later.
    pub md5_password: bool,
    /// `no-password`: the server lets the role in without proving that it knows its password.
    pub no_password: bool,
    /// `superuser`: the role may do everything, or act as other roles.
    pub superuser: bool,
    /// `server-files`: the role may read or write files of the server.
    pub server_files: bool,
    /// `server-programs`: the role may run programs on the server.
    pub server_programs: bool,
}

impl Allowances {
    /// Every word of the list.
    pub const WORDS: [&str; 7] = [
        "plaintext",
        "password-in-clear-over-tls",
        "md5-password",
        "no-password",
        "superuser",
        "server-files",
        "server-programs",
    ];

    /// Allows what a word says; false where there is no such word.
    pub fn allow(&mut self, word: &str) -> bool {
        let allowed = match word {
            "plaintext" => &mut self.plaintext,
            "password-in-clear-over-tls" => &mut self.password_in_clear_over_tls,
            "md5-password" => &mut self.md5_password,
            "no-password" => &mut self.no_password,
            "superuser" => &mut self.superuser,
            "server-files" => &mut self.server_files,
            "server-programs" => &mut self.server_programs,
            _ => return false,
        };
        *allowed = true;
        true
    }
}

/// Whom to log in as.
#[derive(Debug)]
pub struct Credential {
    /// The role's name in the warehouse.
    pub user: String,
    /// Its password, where it has one.
    pub password: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_allows_something_and_no_other_word_does() {
        for word in Allowances::WORDS {
            let mut allow = Allowances::default();
            assert!(allow.allow(word) && allow != Allowances::default(), "{word}");
        }
        assert!(!Allowances::default().allow("everything"));
    }
}
