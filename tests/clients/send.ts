// Sends a message with the client that is made from the description, and reads its record.
import createClient from "openapi-fetch";
import type { components, paths } from "./sms.js";

declare const process: { argv: string[]; exit(code: number): never };

const [baseUrl = "", token = "", servicePlanId = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const message: components["schemas"]["SendRequest"] = {
  servicePlanId,
  channel: "SMS",
  from: "+15550001111",
  to: "+15550002222",
  body: "From TypeScript",
};
const sent = await client.POST("/v1/sendsms", { body: message });
if (sent.response.status !== 202 || sent.data === undefined || !("msgId" in sent.data)) {
  console.error(sent.error);
  process.exit(1);
}
const { msgId } = sent.data;
const found = await client.GET("/v1/messages/sms/{msgId}", {
  params: { path: { msgId }, query: { servicePlanId } },
});
const refused = await client.POST("/v1/sendsms", { body: { ...message, to: "0" } });
console.log(JSON.stringify({ msgId, status: found.data?.status, problem: refused.error?.code }));
