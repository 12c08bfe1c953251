// The server of npm's smpp as an SMSC: codec, encodings and sessions are its own.
"use strict";

const readline = require("readline");
const smpp = require("smpp");

const PASSWORD = "pw";
const DATE = "2601010000";
const sessions = new Map();
let count = 0;
let ids = 0;

function told(kind, fields) {
  process.stdout.write(JSON.stringify({ k: kind, ...fields }) + "\n");
}

function hexOf(value) {
  return Buffer.isBuffer(value) ? value.toString("hex") : null;
}

// It reads a header as the list of its elements.
function headerOf(elements) {
  if (!Array.isArray(elements)) return null;
  const octets = Buffer.concat(elements);
  return Buffer.concat([Buffer.from([octets.length]), octets]).toString("hex");
}

function deliver(fields) {
  for (const { session, receives } of sessions.values()) {
    if (receives) {
      session.deliver_sm(
        { source_addr_ton: 1, source_addr_npi: 1, dest_addr_ton: 1, dest_addr_npi: 1, ...fields },
        (answer) => told("delivered", { status: answer.command_status }),
      );
      return;
    }
  }
  told("nobody", {});
}

const server = smpp.createServer({}, (session) => {
  const number = ++count;
  const entry = { session, receives: false };
  session.on("error", (error) => told("error", { session: number, message: String(error) }));
  session.on("close", () => {
    sessions.delete(number);
    told("closed", { session: number });
  });
  for (const mode of ["transceiver", "transmitter", "receiver"]) {
    session.on("bind_" + mode, (pdu) => {
      const status = pdu.password === PASSWORD ? 0 : smpp.ESME_RINVPASWD;
      told("bind", { session: number, mode, system_id: pdu.system_id, status });
      session.send(pdu.response({ command_status: status, system_id: "npm" }));
      if (status) {
        session.close();
        return;
      }
      entry.receives = mode !== "transmitter";
      sessions.set(number, entry);
    });
  }
  session.on("submit_sm", (pdu) => {
    const id = "npm" + String(++ids).padStart(6, "0");
    const said = pdu.short_message;
    told("submit", {
      session: number, source: pdu.source_addr, to: pdu.destination_addr, esm: pdu.esm_class, dcs: pdu.data_coding,
      id, text: typeof said.message === "string" ? said.message : null, hex: hexOf(said.message), udh: headerOf(said.udh),
    });
    session.send(pdu.response({ message_id: id }));
    if (pdu.registered_delivery & 1) {
      deliver({
        source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
        short_message: `id:${id} sub:001 dlvrd:001 submit date:${DATE} done date:${DATE} stat:DELIVRD err:000 text:`,
      });
    }
  });
  session.on("enquire_link", (pdu) => {
    told("enquired", { session: number });
    session.send(pdu.response());
  });
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    told("unbound", { session: number });
    session.close();
  });
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => told("listening", { port: server.address().port }));

const commands = readline.createInterface({ input: process.stdin });
commands.on("line", (line) => {
  const asked = JSON.parse(line);
  if (asked.do === "mo") {
    deliver({
      source_addr: asked.source, destination_addr: asked.to, esm_class: asked.esm, data_coding: asked.dcs,
      short_message: Buffer.from(asked.hex, "hex"),
    });
    return;
  }
  for (const { session } of sessions.values()) {
    if (asked.do === "enquire") {
      session.enquire_link({}, (answer) => told("enquire_answered", { status: answer.command_status }));
    } else if (asked.do === "unbind") {
      session.unbind({}, () => session.close());
    }
  }
});
commands.on("close", () => process.exit(0));
