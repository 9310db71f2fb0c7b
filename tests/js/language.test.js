import assert from "node:assert/strict";
import { test } from "node:test";

import WORDS from "../../headway/static/js/card-words.js";
import { translated, translatedLabels } from "../../headway/static/js/language.js";

test("without another language's words all stays as it is", () => {
  assert.equal(translated("Goes on at 42 %"), "Goes on at 42 %");
});

test("what the server has put together is known by the words around its values", () => {
  WORDS.language = "zh-Hans";
  WORDS.messages = {
    "Goes on at {percent} %": "从 {percent} % 处继续",
    "{field} must be {what}.": "{field} 必须是{what}。",
    text: "文本",
    Charged: "已扣款",
    "Send {what}?": "发送 {what}？",
    "It waits.": "会等待。",
    "{n} sent": "已发送 {n}",
  };

  assert.equal(translated("Goes on at 42 %"), "从 42 % 处继续");
  assert.equal(translated("Goes on at 43 %"), "从 43 % 处继续");
  assert.equal(translated("name must be text."), "name 必须是文本。");
  assert.equal(translated("Send 3? It waits."), "发送 3？ 会等待。");
  assert.equal(translated("3 sent, 4 sent"), "已发送 3, 已发送 4");
  assert.equal(translated("Send 3? It does not."), "Send 3? It does not.");
  assert.equal(translated("3 sent, 4 lost"), "3 sent, 4 lost");
  assert.equal(translated("toString"), "toString");
  assert.equal(translated("Goes on (.*) at"), "Goes on (.*) at");
  assert.deepEqual(translatedLabels({ succeeded: "Charged", pauses: true, again: { X: "text" } }), {
    succeeded: "已扣款",
    pauses: true,
    again: { X: "文本" },
  });
});
