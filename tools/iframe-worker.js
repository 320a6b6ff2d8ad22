// Search from the disk, where a browser starts no worker: a hidden frame does its work.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "Search"
      frame.srcdoc =
        `<script>postMessage = said => parent.postMessage(said, "*")</` +
        `script><script src="${script}"></` + `script>`
      this.ready = new Promise(done => frame.addEventListener("load", () => done(frame)))
      window.addEventListener("message", ({ source, data }) =>
        source === frame.contentWindow && this.dispatchEvent(new MessageEvent("message", { data })))
      document.body.append(frame)
    }
    postMessage(asked) {
      this.ready.then(frame =>
        frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: asked })))
    }
  }
}
