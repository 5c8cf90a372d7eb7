//! Each wrong configuration is refused by place, key, fault and what is allowed.

use super::*;

const FULL: &str = r#"
data_dir = "/srv/hubd"
[http]
listen = "0.0.0.0:8480"
tls = "off"
behind_proxy = true
[[radio]]
name = "zwave"
kind = "zwave"
port = "/dev/serial/by-id/usb-Zooz-if00"
[log]
level = "debug"
format = "json"
[vault]
recovery_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
"#;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text(Path::new("h.toml"), text, environment).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_is_a_hub_with_its_own_certificate_and_without_radios() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8480");
    assert_eq!(config.http.tls, Tls::Own { names: Vec::new() });
    assert!(config.http.hsts && config.http.is_secure());
    assert_eq!(config.data_dir, Path::new("/var/lib/hubd"));
    assert!(config.radios.is_empty());
}

#[test]
fn outputs_are_read_and_what_cannot_work_is_refused() {
    let notify =
        |text: &str| load(&format!("[[notify]]\nname = \"a\"\n{text}"), &[]).map(|config| config.notify);
    let ntfy = notify("kind = \"ntfy\"\nurl = \"https://ntfy.example/doors\"\ntoken = \"secret-1\"").unwrap();
    assert_eq!(ntfy[0].least, Level::Warning);
    assert!(!format!("{ntfy:?}").contains("secret-1"));
    let cases = [
        ("kind = \"pigeon\"", "`notify[0].kind`"),
        ("kind = \"ntfy\"\nurl = \"ftp://a/b\"", "`notify[0].url`"),
        ("kind = \"webhook\"", "`notify[0].url` is missing"),
        (
            "kind = \"ntfy\"\nurl = \"http://a/b\"\nleast = \"loud\"",
            "`notify[0].least`",
        ),
        ("kind = \"mqtt\"\nserver = \"a:x\"", "`notify[0].server`"),
        (
            "kind = \"mqtt\"\nserver = \"a\"\ntopic = \"a/#\"",
            "`notify[0].topic`",
        ),
        (
            "kind = \"smtp\"\nserver = \"a\"\nfrom = \"x\"",
            "`notify[0].from`",
        ),
        (
            "kind = \"smtp\"\nserver = \"a\"\nfrom = \"a@b.example\"",
            "`notify[0].to`",
        ),
        (
            "kind = \"smtp\"\nserver = \"a\"\ntls = \"off\"\npassword = \"p\"",
            "in the clear",
        ),
    ];
    for (text, words) in cases {
        let said = notify(text).unwrap_err();
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn tls_is_off_only_where_nobody_listens_in() {
    let tls = |text: &str| load(&format!("[http]\n{text}"), &[]).map(|config| config.http.tls);
    let files = Tls::Files {
        cert: "/a".into(),
        key: "/b".into(),
    };
    assert_eq!(tls("tls = { cert = \"/a\", key = \"/b\" }"), Ok(files));
    assert_eq!(tls("listen = \"127.0.0.1:1\"\ntls = \"off\""), Ok(Tls::Off));
    assert_eq!(tls("behind_proxy = true"), Ok(Tls::Off));
    let names = vec!["hub.example.org".to_owned(), "192.0.2.1".to_owned()];
    assert_eq!(
        tls("names = [\"hub.example.org\", \"192.0.2.1\"]"),
        Ok(Tls::Own { names })
    );
}

#[test]
fn every_key_is_read_from_the_file_and_from_the_environment() {
    let from_file = load(FULL, &[]).unwrap();
    assert_eq!(from_file.log.level, tracing::Level::DEBUG);
    assert_eq!(from_file.radios[0].port, "/dev/serial/by-id/usb-Zooz-if00");
    let from_environment = load(
        "",
        &[
            ("PATH", "/bin"),
            ("HUBD__DATA_DIR", "/srv/hubd"),
            ("HUBD__HTTP__LISTEN", "0.0.0.0:8480"),
            ("HUBD__HTTP__TLS", "off"),
            ("HUBD__HTTP__BEHIND_PROXY", "true"),
            ("HUBD__RADIO__0__PORT", "/dev/serial/by-id/usb-Zooz-if00"),
            ("HUBD__RADIO__0__NAME", "zwave"),
            ("HUBD__RADIO__0__KIND", "zwave"),
            ("HUBD__LOG__LEVEL", "debug"),
            ("HUBD__LOG__FORMAT", "json"),
            (
                "HUBD__VAULT__RECOVERY_RECIPIENTS",
                "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
            ),
        ],
    );
    assert_eq!(from_environment.unwrap(), from_file);
    let overlaid = load(FULL, &[("HUBD__RADIO__0__PORT", "tcp://nas:4000")]).unwrap();
    assert_eq!(overlaid.radios[0].port, "tcp://nas:4000");
    assert_eq!(overlaid.radios[0].name.as_str(), "zwave");
}

/// A text, an environment, and words of the refusal.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn every_mistake_names_place_key_fault_and_what_is_allowed() {
    let radio = |lines: &str| format!("[[radio]]\n{lines}");
    let good = "name = \"a\"\nkind = \"zwave\"\nport = \"/dev/a\"\n";
    let cases: &[Case] = &[
        (
            "[http]\nlisten = \"nowhere\"",
            &[],
            &["h.toml", "`http.listen`", "nowhere", "127.0.0.1:8480"],
        ),
        (
            "[http]\nlisten = 8480",
            &[],
            &["h.toml", "`http.listen`", "a whole number"],
        ),
        (
            "[http]\nlisen = \"x\"",
            &[],
            &["h.toml", "`http.lisen`", "did you mean `http.listen`?"],
        ),
        ("datadir = \"x\"", &[], &["h.toml", "`datadir`", "`data_dir`"]),
        ("[[radios]]\nname = \"x\"", &[], &["`radios`", "`radio`"]),
        ("[quantum]\nx = 1", &[], &["unknown key `quantum`"]),
        (
            "[http]\nlisten = \"0.0.0.0:8480\"\ntls = \"off\"",
            &[],
            &["`http.listen`", "loopback", "behind_proxy"],
        ),
        ("[http]\nnames = [\"hub_1\"]", &[], &["`http.names`", "hub_1"]),
        (
            "[http]\nnames = [\"hub\"]\nbehind_proxy = true",
            &[],
            &["`http.names`", "without the hub's own certificate"],
        ),
        (
            "[http.tls]\ncert = \"a\"",
            &[],
            &["`http.tls.key` is missing", "PEM"],
        ),
        ("[http]\ntls = \"on\"", &[], &["`http.tls`", "\"on\""]),
        (
            "[http]\nbehind_proxy = 1",
            &[],
            &["`http.behind_proxy`", "true and false"],
        ),
        ("http = 3", &[], &["`http`", "a section is allowed"]),
        ("[log]\nlevel = \"loud\"", &[], &["`log.level`", "loud", "warn"]),
        ("[log]\nformat = \"xml\"", &[], &["`log.format`", "json"]),
        ("data_dir = \"\"", &[], &["`data_dir`", "is empty"]),
        (
            "a = = b",
            &[],
            &["h.toml", "not valid TOML: at line 1, column 5: "],
        ),
        (
            "[home]\ntime_zone = \"Middle/Earth\"",
            &[],
            &["`home.time_zone`", "Middle/Earth", "Europe/Berlin"],
        ),
        (
            "[vault]\nrecovery_recipients = [\"age1x\"]",
            &[],
            &["`vault.recovery_recipients`", "age1x"],
        ),
        (
            &radio("kind = \"zwave\"\nport = \"/dev/a\""),
            &[],
            &["`radio[0].name` is missing", "a-z"],
        ),
        (
            &radio("name = \"a\"\nkind = \"zwave\""),
            &[],
            &["`radio[0].port` is missing", "tcp://"],
        ),
        (
            &radio("name = \"a\"\nkind = \"zigbee\"\nport = \"/dev/a\""),
            &[],
            &["`radio[0].kind`", "yet"],
        ),
        (
            &radio("name = \"a\"\nkind = \"zwave\"\nport = \"tcp://x\""),
            &[],
            &["`radio[0].port`", "tcp://x"],
        ),
        (
            &radio("name = \"A b\"\nkind = \"zwave\"\nport = \"/dev/a\""),
            &[],
            &["`radio[0].name`", "A b"],
        ),
        (
            &radio(&format!("{good}{}", radio(good))),
            &[],
            &["`radio[1].name`"],
        ),
        (
            &radio(&format!("{good}baud = 9600")),
            &[],
            &["unknown key `radio[0].baud`"],
        ),
        (
            "",
            &[("HUBD__HTTP__LISTEN", "x")],
            &["environment variable HUBD__HTTP__LISTEN", "`http.listen`"],
        ),
        (
            "",
            &[("HUBD__HTTP__LISEN", "x")],
            &["environment variable HUBD__HTTP__LISEN", "`http.listen`?"],
        ),
        (
            "",
            &[("HUBD__RADIO__99__NAME", "x")],
            &["HUBD__RADIO__99__NAME", "at most 16"],
        ),
        ("", &[("HUBD__0__NAME", "x")], &["HUBD__0__NAME", "number"]),
        ("", &[("HUBD____X", "x")], &["HUBD____X", "HUBD__SECTION__KEY"]),
    ];
    for (text, environment, words) in cases {
        let message = load(text, environment).expect_err(text);
        for word in *words {
            assert!(
                message.contains(word),
                "{text:?} {environment:?}: {message:?} does not say {word:?}"
            );
        }
        assert!(!message.contains('\n'), "{message:?}");
    }
}

#[test]
fn a_secret_key_pasted_as_recipient_is_not_repeated() {
    let secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    let message = load(&format!("[vault]\nrecovery_recipients = [\"{secret}\"]"), &[]).unwrap_err();
    assert!(
        message.contains("secret key") && !message.contains("QQQQ"),
        "{message}"
    );
}

#[test]
fn a_missing_file_is_an_error_only_when_it_was_named() {
    let missing = Path::new("/nonexistent/h.toml");
    let message = Config::load(Some(missing), []).unwrap_err().to_string();
    assert!(
        message.contains("/nonexistent/h.toml") && message.contains("--config"),
        "{message}"
    );
}
