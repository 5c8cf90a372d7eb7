import { describe, expect, it } from "vitest";
import { parser } from "./sse.ts";

const STREAM =
  'retry: 2000\n\nid: 7\ndata: {"a":1}\n\n:\n\nid: 8\r\ndata: one\r\ndata:two\r\n\r\nnothing\n\n';
const SAID = [
  { id: "7", data: '{"a":1}' },
  { id: "8", data: "one\ntwo" },
];

describe("the parser of the event stream", () => {
  it("reads the hub's messages and skips what is none", () => {
    expect(parser()(STREAM)).toEqual(SAID);
  });

  it("does not mind where the network cuts", () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const parse = parser();
      expect([...parse(STREAM.slice(0, cut)), ...parse(STREAM.slice(cut))]).toEqual(SAID);
    }
  });
});
