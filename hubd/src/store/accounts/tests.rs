//! Changes of who may sign in, on a real database.

use super::book::read_sessions;
use super::*;
use crate::store::migrations;

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    migrations::migrate(&db, 0).unwrap();
    db
}

fn account(id: &str, role: Role) -> NewAccount {
    NewAccount {
        id: id.into(),
        name: format!("Name {id}"),
        role,
        password: None,
        invitation: None,
        created_at: UnixMillis(1),
    }
}

fn session(id: u8, account: &str, seen: i64) -> NewSession {
    NewSession {
        row: SessionRow {
            id: format!("s{id}"),
            account: account.into(),
            created_at: UnixMillis(seen),
            last_seen: UnixMillis(seen),
            confirmed_at: UnixMillis(seen),
            address: "192.0.2.1".into(),
            agent: "test".into(),
        },
        hash: [id; 32],
    }
}

fn refusal(result: Result<(), StoreError>) -> AccountRefusal {
    match result {
        Err(StoreError::Account(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn owners_are_two_unless_meant_and_never_none() {
    let db = database();
    let add = |id, owners| apply(&db, &AccountChange::Add(account(id, Role::Owner), owners));
    add("a", Owners::First).unwrap();
    assert_eq!(refusal(add("b", Owners::First)), AccountRefusal::AlreadySetUp);
    let remove = |id: &str| apply(&db, &AccountChange::Remove(id.into()));
    assert_eq!(refusal(remove("a")), AccountRefusal::LastOwner);
    let demote = |id: &str| apply(&db, &AccountChange::SetRole(id.into(), Role::Guest, Owners::Few));
    assert_eq!(refusal(demote("a")), AccountRefusal::LastOwner);
    add("b", Owners::Few).unwrap();
    assert_eq!(refusal(add("c", Owners::Few)), AccountRefusal::TooManyOwners);
    apply(
        &db,
        &AccountChange::Add(account("c", Role::Resident), Owners::Few),
    )
    .unwrap();
    let promote = |owners| apply(&db, &AccountChange::SetRole("c".into(), Role::Owner, owners));
    assert_eq!(refusal(promote(Owners::Few)), AccountRefusal::TooManyOwners);
    promote(Owners::Any).unwrap();
    demote("a").unwrap();
    remove("b").unwrap();
    assert_eq!(refusal(remove("c")), AccountRefusal::LastOwner);
    assert_eq!(refusal(remove("nobody")), AccountRefusal::NoSuchAccount);
}

#[test]
fn a_name_is_taken_whatever_the_case_of_its_letters() {
    let db = database();
    apply(&db, &AccountChange::Add(account("a", Role::Guest), Owners::Few)).unwrap();
    let mut same = account("b", Role::Guest);
    same.name = "NAME A".into();
    let again = apply(&db, &AccountChange::Add(same, Owners::Few));
    assert_eq!(refusal(again), AccountRefusal::NameTaken);
}

#[test]
fn every_code_is_used_once() {
    let db = database();
    let mut invited = account("a", Role::Guest);
    invited.invitation = Some(([7; 32], UnixMillis(100)));
    apply(&db, &AccountChange::Add(invited, Owners::Few)).unwrap();
    let take = |code: u8, now| {
        let password = SecretString::new("hash".into());
        let (account, code, now) = ("a".to_owned(), [code; 32], UnixMillis(now));
        apply(
            &db,
            &AccountChange::TakeInvitation {
                account,
                code,
                password,
                now,
            },
        )
    };
    assert_eq!(refusal(take(8, 1)), AccountRefusal::BadCode);
    assert_eq!(refusal(take(7, 100)), AccountRefusal::BadCode, "too old");
    take(7, 99).unwrap();
    assert_eq!(refusal(take(7, 99)), AccountRefusal::BadCode, "used");

    let step = |step| apply(&db, &AccountChange::UseStep("a".into(), step));
    step(50).unwrap();
    assert_eq!(refusal(step(50)), AccountRefusal::BadCode);
    assert_eq!(
        refusal(step(49)),
        AccountRefusal::BadCode,
        "older than a used one"
    );
    step(51).unwrap();

    apply(
        &db,
        &AccountChange::SetRecoveryCodes("a".into(), vec![[1; 32], [2; 32]]),
    )
    .unwrap();
    let code = |code: u8| apply(&db, &AccountChange::UseRecoveryCode("a".into(), [code; 32]));
    code(1).unwrap();
    assert_eq!(refusal(code(1)), AccountRefusal::BadCode);
    let nobody = apply(&db, &AccountChange::SetRecoveryCodes("x".into(), vec![[1; 32]]));
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
}

#[test]
fn a_new_password_ends_the_other_sessions_and_the_oldest_gives_way_when_there_are_too_many() {
    let db = database();
    apply(&db, &AccountChange::Add(account("a", Role::Guest), Owners::Few)).unwrap();
    for number in 0..40_u8 {
        let open = AccountChange::OpenSession(session(number, "a", i64::from(number)));
        apply(&db, &open).unwrap();
    }
    let sessions = read_sessions(&db).unwrap();
    assert_eq!(sessions.len(), SESSIONS_PER_ACCOUNT_MAX);
    assert!(sessions.contains_key(&[39; 32]) && !sessions.contains_key(&[0; 32]));
    let password = SecretString::new("hash".into());
    apply(
        &db,
        &AccountChange::SetPassword {
            account: "a".into(),
            password,
            keep: Some("s39".into()),
        },
    )
    .unwrap();
    assert_eq!(
        read_sessions(&db).unwrap().into_keys().collect::<Vec<_>>(),
        [[39; 32]]
    );
    let nobody = apply(&db, &AccountChange::OpenSession(session(99, "x", 1)));
    assert_eq!(refusal(nobody), AccountRefusal::NoSuchAccount);
    apply(&db, &AccountChange::Add(account("o", Role::Owner), Owners::First)).unwrap();
    apply(&db, &AccountChange::Remove("a".into())).unwrap();
    assert!(
        read_sessions(&db).unwrap().is_empty(),
        "its sessions went with it"
    );
}

fn passkey(id: u8, counter: u32) -> PasskeyRow {
    PasskeyRow {
        id: format!("p{id}"),
        name: "Phone".into(),
        origin: "https://hub.local".into(),
        credential: vec![id; 16],
        public_key: vec![id; 77],
        counter,
        created_at: UnixMillis(1),
        used_at: None,
    }
}

fn add_passkey(db: &Connection, account: &str, passkey: PasskeyRow) -> Result<(), StoreError> {
    let account = account.to_owned();
    let change = AccountChange::AddPasskey {
        account,
        passkey,
        only: None,
    };
    apply(db, &change)
}

#[test]
fn a_passkey_is_one_accounts_and_its_counter_goes_on() {
    let db = database();
    for id in ["a", "b"] {
        apply(&db, &AccountChange::Add(account(id, Role::Resident), Owners::Few)).unwrap();
    }
    let same = |account: &str, id: u8| {
        let mut same = passkey(id, 0);
        same.credential = vec![1; 16];
        refusal(add_passkey(&db, account, same))
    };
    add_passkey(&db, "a", passkey(1, 5)).unwrap();
    assert_eq!(same("a", 8), AccountRefusal::PasskeyKnown);
    assert_eq!(same("b", 9), AccountRefusal::PasskeyKnown, "somebody's");
    assert_eq!(same("x", 9), AccountRefusal::NoSuchAccount);
    let uses = |account: &str, counter: u32| {
        let (account, passkey, at) = (account.to_owned(), "p1".to_owned(), UnixMillis(9));
        let change = AccountChange::UsePasskey {
            account,
            passkey,
            counter,
            at,
        };
        apply(&db, &change)
    };
    for counter in [0, 4, 5] {
        assert_eq!(refusal(uses("a", counter)), AccountRefusal::BadCode, "{counter}");
    }
    assert_eq!(refusal(uses("b", 6)), AccountRefusal::BadCode, "another's");
    uses("a", 6).unwrap();
    assert_eq!(refusal(uses("a", 6)), AccountRefusal::BadCode, "at the same time");
    add_passkey(&db, "b", passkey(2, 0)).unwrap();
    let never_counts = AccountChange::UsePasskey {
        account: "b".into(),
        passkey: "p2".into(),
        counter: 0,
        at: UnixMillis(9),
    };
    apply(&db, &never_counts).unwrap();
    apply(&db, &never_counts).unwrap();
    for id in 10..30_u8 {
        let added = add_passkey(&db, "b", passkey(id, 0));
        if usize::from(id) < 9 + PASSKEYS_PER_ACCOUNT_MAX {
            added.unwrap();
        } else {
            assert_eq!(refusal(added), AccountRefusal::TooManyPasskeys);
        }
    }
    apply(&db, &AccountChange::Remove("a".into())).unwrap();
    add_passkey(&db, "b", passkey(1, 0)).unwrap_err();
    apply(&db, &AccountChange::ForgetFactors("b".into())).unwrap();
    add_passkey(&db, "b", passkey(1, 0)).unwrap();
}

#[test]
fn an_owners_last_second_factor_stays_and_a_refusal_changes_nothing() {
    let db = database();
    apply(&db, &AccountChange::Add(account("o", Role::Owner), Owners::First)).unwrap();
    apply(
        &db,
        &AccountChange::Add(account("r", Role::Resident), Owners::Few),
    )
    .unwrap();
    let codes = |account: &str| {
        let sql = "SELECT count(*) FROM recovery_codes WHERE account = ?1";
        db.query_row(sql, [account], |row| row.get::<_, i64>(0)).unwrap()
    };
    for (number, id) in [(1, "o"), (3, "r")] {
        add_passkey(&db, id, passkey(number, 0)).unwrap();
        let set = AccountChange::SetRecoveryCodes(id.into(), vec![[number; 32]]);
        apply(&db, &set).unwrap();
    }
    let remove =
        |account: &str, id: &str| apply(&db, &AccountChange::RemovePasskey(account.into(), id.into()));
    assert_eq!(refusal(remove("o", "p1")), AccountRefusal::FactorNeeded);
    assert_eq!(
        refusal(remove("o", "p3")),
        AccountRefusal::NoSuchPasskey,
        "another's"
    );
    assert_eq!(codes("o"), 1, "nothing changed");
    let totp = AccountChange::SetTotp {
        account: "o".into(),
        sealed: vec![1],
        step: 1,
        keep: String::new(),
    };
    apply(&db, &totp).unwrap();
    remove("o", "p1").unwrap();
    let forget = |account: &str| apply(&db, &AccountChange::ForgetTotp(account.into()));
    assert_eq!(refusal(forget("o")), AccountRefusal::FactorNeeded);
    add_passkey(&db, "o", passkey(2, 0)).unwrap();
    forget("o").unwrap();
    assert_eq!(codes("o"), 1, "they stay with the other one");
    remove("r", "p3").unwrap();
    assert_eq!(codes("r"), 0, "without a second factor they are worth nothing");
    assert_eq!(refusal(forget("x")), AccountRefusal::NoSuchAccount);
}
