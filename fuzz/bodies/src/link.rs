//! The dongle's bytes: frames, and the Serial API functions in them.

use hubd_zwave::wire::frame::{Data, Decoder, Token};
use hubd_zwave::wire::serial::{
    NodeIdWidth, Unsolicited, parse_capabilities, parse_controller_id, parse_init_data,
    parse_long_range_nodes, parse_protocol_info,
};

/// A byte stream in pieces: the first byte says how long the pieces are. The cut must not matter.
pub fn serial_frame(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else {
        return;
    };
    let mut whole = Vec::new();
    Decoder::default().push(stream, &mut whole);
    let mut pieces = Vec::new();
    let mut decoder = Decoder::default();
    for part in stream.chunks(usize::from(*piece).max(1)) {
        decoder.push(part, &mut pieces);
    }
    assert_eq!(
        merge_noise(whole),
        merge_noise(pieces.clone()),
        "the cut into pieces changed what was read"
    );
    for token in pieces {
        if let Token::Data(data) = token {
            let again = read(&data.emit().expect("what was read fits into a frame"));
            assert_eq!(again, [Token::Data(data)], "written and read again");
        }
    }
}

fn read(bytes: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    Decoder::default().push(bytes, &mut tokens);
    tokens
}

/// Noise is counted in the pieces in which it arrived; only the sum is a promise.
fn merge_noise(tokens: Vec<Token>) -> Vec<Token> {
    let mut merged: Vec<Token> = Vec::new();
    for token in tokens {
        match (merged.last_mut(), token) {
            (Some(Token::Noise(sum)), Token::Noise(more)) => *sum += more,
            (_, token) => merged.push(token),
        }
    }
    merged
}

/// The payload of a data frame: its first byte is the function.
pub fn serial_command(bytes: &[u8]) {
    let Some((function, payload)) = bytes.split_first() else {
        return;
    };
    let data = Data::request(*function, payload.to_vec());
    for width in [NodeIdWidth::Bits8, NodeIdWidth::Bits16] {
        // Whether it makes sense is for the caller; that it returns is what is tested.
        let _ = Unsolicited::parse(&data, width);
        let _ = parse_controller_id(payload, width);
    }
    if let Ok(capabilities) = parse_capabilities(payload) {
        let _ = capabilities.has(*function);
    }
    for nodes in [parse_init_data(payload), parse_long_range_nodes(payload)]
        .into_iter()
        .flatten()
    {
        assert!(nodes.len() <= 8 * payload.len(), "one node a bit");
    }
    let _ = parse_protocol_info(payload);
}
