//! Whom the driver logs in as, how, and whom not.

use cofferdam_call::Access;
use cofferdam_cap_sql::{Address, Credential, Mysql, OneKey, SqlDriver as _, TlsMode};
use cofferdam_ids::Code;
use cofferdam_vault::Secret;

use crate::house::{gateway, gateway_with, one, server, settings, try_open};

#[test]
fn users_log_in_over_tls_by_either_of_mariadb_s_ways() {
    for user in ["reader", "edwin", "plain"] {
        let mut session = try_open(&gateway(user), Access::Read).unwrap();
        assert_eq!(one(&mut session, "SELECT CURRENT_USER()"), format!("{user}@%"));
        let cipher = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'SSL_VERSION'";
        assert_eq!(one(&mut session, cipher), "TLSv1.3");
        let peer = session.peer();
        assert_eq!(peer.role.as_deref(), Some(format!("{user}@%").as_str()));
        assert_eq!(peer.tls.unwrap().len(), 64);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    for (user, password) in [("reader", "wrong-canary"), ("nobody", "canary"), ("reader", "")] {
        let password = Some(Secret::new(password.as_bytes().to_vec()));
        let key = OneKey::new(Credential { user: user.to_owned(), password });
        let driver = Mysql::new(settings(server()), std::sync::Arc::new(key));
        let refusal = try_open(&driver, Access::Read).err().unwrap();
        assert_eq!(refusal.to_string(), "CD0318: the server refuses the gateway's user or its password");
    }
}

#[test]
fn without_tls_only_loopback_and_sockets_are_spoken_to() {
    let mut plain = settings(server());
    plain.tls.mode = TlsMode::Off;
    let mut session = try_open(&gateway_with(plain.clone(), "plain"), Access::Read).unwrap();
    assert_eq!(session.peer().tls, None);
    assert_eq!(one(&mut session, "SELECT 1"), "1");
    assert!(try_open(&gateway_with(plain.clone(), "reader"), Access::Read).is_err(), "the user requires TLS");
    plain.address = Address::Unix(server().socket());
    let mut session = try_open(&gateway_with(plain.clone(), "plain"), Access::Read).unwrap();
    assert_eq!(one(&mut session, "SELECT 1"), "1");
    plain.address = Address::Tcp { host: "192.0.2.1".to_owned(), port: 3306 };
    let refusal = try_open(&gateway_with(plain, "plain"), Access::Read).err().unwrap();
    assert_eq!(refusal.code, Code(317), "{refusal}");
}

#[test]
fn a_user_with_rights_over_the_server_is_refused_unless_the_gateway_allows_it() {
    let refusal = try_open(&gateway("superuser"), Access::Read).err().unwrap();
    assert_eq!(
        refusal.to_string(),
        "CD0319: the gateway's user has the right ALL PRIVILEGES on the whole server; revoke it, or let the gateway \
         allow `superuser`, `server-files`"
    );
    let mut allowed = settings(server());
    allowed.allow.superuser = true;
    assert!(
        try_open(&gateway_with(allowed.clone(), "superuser"), Access::Read).is_err(),
        "it may read files too"
    );
    allowed.allow.server_files = true;
    assert!(try_open(&gateway_with(allowed, "superuser"), Access::Read).is_ok());
    for right in ["FILE", "SUPER", "PROCESS", "CREATE USER", "RELOAD", "SHUTDOWN", "SELECT"] {
        server().sql(&format!(
            "CREATE OR REPLACE USER mightier IDENTIFIED BY 'canary-mightier'; GRANT {right} ON *.* TO mightier; \
             GRANT SELECT ON shop.* TO mightier"
        ));
        let refusal = try_open(&gateway("mightier"), Access::Read).err().unwrap();
        assert_eq!(refusal.code, Code(319), "{right}");
        assert!(refusal.message.contains(right), "{refusal}");
    }
    server().sql(
        "CREATE OR REPLACE USER mightier IDENTIFIED BY 'canary-mightier'; CREATE OR REPLACE ROLE files; \
         GRANT FILE ON *.* TO files; GRANT files TO mightier; GRANT SELECT ON shop.* TO mightier; \
         SET DEFAULT ROLE files FOR mightier",
    );
    assert_eq!(try_open(&gateway("mightier"), Access::Read).err().unwrap().code, Code(319), "by a role");
}

#[test]
fn inspection_says_what_is_good_and_what_is_not_and_shows_no_hash() {
    let good = gateway("reader").inspect(Access::Read);
    assert!(good.iter().all(|finding| finding.is_good()), "{good:?}");
    assert!(good[0].text.starts_with("MariaDB answers over TLS"), "{good:?}");
    let writes = gateway("writer").inspect(Access::Read);
    assert!(
        writes.iter().any(|finding| !finding.is_good() && finding.text.contains("mode `read`")),
        "{writes:?}"
    );
    let super_ = gateway("superuser").inspect(Access::Admin);
    assert!(super_.iter().filter(|finding| !finding.is_good()).count() >= 2, "{super_:?}");
    assert!(!format!("{good:?}{writes:?}{super_:?}").contains('*'));
}
