/// Server-Sent Events out of bytes, as the HTML standard parses them; only what the hub sends is kept: `id` and `data`.

export interface Message {
  id: string;
  data: string;
}

/// Gives back a function that is fed text as it comes and answers with the messages that it completed.
export function parser(): (text: string) => Message[] {
  let rest = "";
  let id = "";
  let data: string[] = [];
  let afterReturn = false;
  return (text) => {
    const messages: Message[] = [];
    for (const char of text) {
      // A line ends with CR, LF or CR LF.
      const ends = char === "\r" || (char === "\n" && !afterReturn);
      const swallowed = char === "\n" && afterReturn;
      afterReturn = char === "\r";
      if (swallowed) continue;
      if (!ends) {
        rest += char;
        continue;
      }
      const line = rest;
      rest = "";
      if (line === "") {
        if (data.length > 0) messages.push({ id, data: data.join("\n") });
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") data.push(value);
      else if (field === "id") id = value;
    }
    return messages;
  };
}
