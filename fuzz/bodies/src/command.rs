//! Application commands: what a device says once its encryption is off.

use hubd_zwave::wire::cc::Command;
use hubd_zwave::wire::cc::node_info::{ClassList, NodeInfo};

/// A command of any class.
pub fn command_class(bytes: &[u8]) {
    match Command::parse(bytes) {
        Ok(command) => {
            let again = Command::parse(&command.emit());
            assert_eq!(again.as_ref(), Ok(&command), "written and read again");
            let shown = format!("{command:?}");
            assert!(
                shown.len() < 64 * 1024,
                "what is shown of a command has its limit"
            );
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error says something"),
    }
}

/// What a node says of itself when it joins or is asked.
pub fn node_info(bytes: &[u8]) {
    let list = ClassList::parse(bytes);
    assert_eq!(ClassList::parse(&list.emit()), list, "written and read again");
    if let Ok(info) = NodeInfo::parse(bytes) {
        assert_eq!(
            NodeInfo::parse(&info.emit()).as_ref(),
            Ok(&info),
            "written and read again"
        );
    }
}
