import { describe, expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { slack } from "./slack.ts"

const NOW = 1_531_420_618_000
const json = (body: unknown) => deliver(JSON.stringify(body), "application/json")
const form = (fields: Record<string, string>) =>
  deliver(new URLSearchParams(fields).toString(), "application/x-www-form-urlencoded")
const deliver = (body: string, type: string) => ({
  method: "POST",
  url: "",
  headers: { "content-type": type, "x-slack-request-timestamp": "1531420618" },
  body: Buffer.from(body),
  receivedAt: NOW,
})

const envelope = {
  token: "secret-token",
  team_id: "T1",
  api_app_id: "A1",
  type: "event_callback",
  event_id: "Ev1",
  event_time: 1531420600,
  authorizations: [{ team_id: "T1", user_id: "UBOT", is_bot: true }],
}
const heard = (event: Record<string, unknown>) => slack.read(json({ ...envelope, event })).messages

describe("the handshake", () => {
  const asking = {
    token: "x",
    challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    type: "url_verification",
  }

  test("is answered with what was asked, and nothing is stored", () => {
    expect(slack.challenge(json(asking))).toEqual({
      status: 200,
      headers: { "content-type": "text/plain" },
      body: asking.challenge,
    })
    expect(slack.read(json(asking)).messages).toEqual([])
  })

  test("is not seen in an ordinary delivery", () => {
    expect(slack.challenge(json({ ...envelope, event: { type: "message" } }))).toBeUndefined()
    expect(slack.challenge(form({ command: "/octant" }))).toBeUndefined()
  })
})

describe("an event", () => {
  test("of a reaction tells who, which emoji and on what", () => {
    const item = { type: "message", channel: "C1", ts: "1360782400.498405" }
    expect(
      heard({
        type: "reaction_added",
        user: "U1",
        reaction: "ticket",
        item_user: "U2",
        item,
        event_ts: "1360782804.083113",
      }),
    ).toEqual([
      {
        type: "track",
        event: "Slack reaction_added",
        messageId: "slack:Ev1",
        userId: "slack:U1",
        timestamp: "2018-07-12T18:36:40.000Z",
        properties: {
          user: "U1",
          reaction: "ticket",
          item_user: "U2",
          item_type: "message",
          item_channel: "C1",
          item_ts: "1360782400.498405",
          team_id: "T1",
          app_id: "A1",
        },
      },
    ])
  })

  test("of a message tells where and by whom, and never a word of it", () => {
    const [message] = heard({
      type: "message",
      user: "U1",
      text: "the password is hunter2",
      channel: "C1",
      channel_type: "channel",
      ts: "1.2",
    })
    expect(message).toMatchObject({
      event: "Slack message",
      userId: "slack:U1",
      properties: { channel: "C1", ts: "1.2" },
    })
    expect(JSON.stringify(message)).not.toMatch(/hunter2|secret-token/)
  })

  test.each([
    ["says", { type: "message", bot_id: "B1", app_id: "A1" }],
    ["says without naming its app", { type: "message", bot_id: "B1" }],
    ["says by its profile", { type: "message", bot_id: "B1", bot_profile: { app_id: "A1" } }],
    ["does as a user", { type: "reaction_added", user: "UBOT", reaction: "eyes" }],
  ])("of what our own bot %s is dropped", (_words, event) => {
    expect(heard(event)).toEqual([])
  })

  test("of what another app's bot says is kept", () => {
    expect(heard({ type: "message", bot_id: "B2", app_id: "A2" })).toMatchObject([
      { event: "Slack message", anonymousId: "slack:B2" },
    ])
  })

  test("whose user is written out is that user's", () => {
    expect(heard({ type: "team_join", user: { id: "U3", name: "new" } })).toMatchObject([{ userId: "slack:U3" }])
  })
})

describe("what comes as a form", () => {
  test("is a command: its name and ids, once for each time it is given", () => {
    const command = {
      token: "x",
      team_id: "T1",
      channel_id: "C1",
      user_id: "U1",
      user_name: "ada",
      command: "/octant",
      text: "revenue of ada@example.com",
      trigger_id: "13345224609.738474920.8088930838d88f008e0",
    }
    expect(slack.read(form(command)).messages).toEqual([
      {
        type: "track",
        event: "Slack slash_command",
        messageId: "slack:13345224609.738474920.8088930838d88f008e0",
        userId: "slack:U1",
        timestamp: "2018-07-12T18:36:58.000Z",
        properties: { team_id: "T1", channel_id: "C1", user_id: "U1", command: "/octant" },
      },
    ])
  })

  test("is an interaction: its kind, ids and actions", () => {
    const payload = {
      type: "block_actions",
      trigger_id: "1.2.3",
      user: { id: "U1" },
      team: { id: "T1" },
      channel: { id: "C1" },
      actions: [{ action_id: "open", value: "x" }],
    }
    expect(slack.read(form({ payload: JSON.stringify(payload) })).messages).toMatchObject([
      {
        event: "Slack block_actions",
        messageId: "slack:1.2.3",
        userId: "slack:U1",
        properties: { team_id: "T1", channel_id: "C1", action_ids: ["open"] },
      },
    ])
  })

  test("is Slack's own check of the certificate, which says nothing", () => {
    expect(slack.read(form({ ssl_check: "1", token: "x" })).messages).toEqual([])
  })
})

test("that Slack holds events back is told once a minute and workspace", () => {
  const limited = {
    token: "x",
    type: "app_rate_limited",
    team_id: "T1",
    minute_rate_limited: 1518467820,
    api_app_id: "A1",
  }
  expect(slack.read(json(limited))).toMatchObject({
    id: "slack:app_rate_limited:T1:1518467820",
    messages: [{ event: "Slack app_rate_limited", anonymousId: "slack:T1", timestamp: "2018-02-12T20:37:00.000Z" }],
  })
})

test.each([{}, { type: "event_callback" }, { type: "event_callback", event_id: "Ev1", event: {} }])(
  "a body of %j is none of Slack's",
  (body) => {
    expect(() => slack.read(json(body))).toThrow(Fault)
  },
)
