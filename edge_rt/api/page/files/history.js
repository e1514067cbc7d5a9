// The chats that this browser keeps; no other device has them.

const CHATS = "edge-rt-chats", MOST_CHATS = 30;

const read = () => {
  try {
    const found = JSON.parse(localStorage.getItem(CHATS) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return []; // nothing that this page has written
  }
};

export const chats = {
  all: read,

  // Save a chat as the latest; the oldest go where the browser has no room.
  save(chat) {
    let kept = [chat, ...read().filter(({ id }) => id !== chat.id)].slice(0, MOST_CHATS);
    while (kept.length) {
      try {
        localStorage.setItem(CHATS, JSON.stringify(kept));
        return;
      } catch {
        kept = kept.slice(0, -1);
      }
    }
  },

  forget: () => localStorage.removeItem(CHATS),
};

export const newChat = () => ({ id: `${Date.now()}-${Math.random()}`, messages: [] });

export const titleOf = ({ messages }) =>
  messages[0]?.content.replace(/\s+/g, " ").slice(0, 50) || "New chat";
