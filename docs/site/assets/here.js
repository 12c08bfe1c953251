// The examples name the sandbox's address; read from a server, they name that server.
if (location.protocol.startsWith("http") && location.origin !== "http://localhost:3000") {
  for (const code of document.querySelectorAll("pre code")) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      texts.currentNode.data = texts.currentNode.data.replaceAll("http://localhost:3000", location.origin);
    }
  }
}
