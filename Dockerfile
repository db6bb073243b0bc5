# The worker, with what it drives: docs/deployment.md. Its entry point is the whole command line.

# k6 and terraform as published, compared with the checksums of src/platform/tool-releases.ts.
FROM node:20-bookworm-slim AS tools
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl unzip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /tools
RUN case "$(dpkg --print-architecture)" in \
      amd64) k6=c827501f510265db9c3313e4164d2585a97c7a3485ed440b93f7b1cfe6facd28 terraform=bb1ee3e8314da76658002e2e584f2d8854b6def50b7f124e27b957a42ddacfea ;; \
      arm64) k6=0e9515502f80edb562f12c0b12a59085c0b113c6416d728e3c2a9e5a7506cc5c terraform=17b3a243ea24003a58ab324c197da8609fccae136bcb8a424bf61ec475b3a203 ;; \
      *) echo "no k6 and terraform are pinned for $(dpkg --print-architecture)" >&2; exit 1 ;; \
    esac \
    && arch="$(dpkg --print-architecture)" \
    && curl -fsSL -o k6.tar.gz "https://github.com/grafana/k6/releases/download/v1.4.2/k6-v1.4.2-linux-$arch.tar.gz" \
    && curl -fsSL -o terraform.zip "https://releases.hashicorp.com/terraform/1.8.5/terraform_1.8.5_linux_$arch.zip" \
    && printf '%s  %s\n' "$k6" k6.tar.gz "$terraform" terraform.zip | sha256sum -c - \
    && mkdir bin \
    && tar -xzf k6.tar.gz -C bin --strip-components=1 "k6-v1.4.2-linux-$arch/k6" \
    && unzip -q terraform.zip terraform -d bin

# `npm ci` builds: its `prepare` script is `npm run build`.
FROM node:20-bookworm-slim AS build
WORKDIR /headgate
COPY package.json package-lock.json tsconfig.json ./
COPY scripts scripts
COPY src src
COPY sandbox sandbox
RUN npm ci --no-audit --no-fund \
    && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git openssh-client tini \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o node -g node /var/lib/headgate
COPY --from=tools /tools/bin /usr/local/bin
# The client alone, for `dockerStack`; which swarm it speaks to say DOCKER_HOST and DOCKER_CONTEXT.
COPY --from=docker:28-cli /usr/local/bin/docker /usr/local/bin/docker
COPY --from=build /headgate/package.json /headgate/package.json
COPY --from=build /headgate/node_modules /headgate/node_modules
COPY --from=build /headgate/dist /headgate/dist
ENV NODE_ENV=production HEADGATE_HOME=/var/lib/headgate
VOLUME /var/lib/headgate
WORKDIR /var/lib/headgate
# `node`, by its number: an orchestrator can tell from it that this is not root.
USER 1000
# On SIGTERM the worker polls no more and lets what runs end; `docker stop` needs a time limit that allows for it.
STOPSIGNAL SIGTERM
# Programs that outlive their parent become children of process 1, and node would never collect them.
ENTRYPOINT ["tini", "--", "node", "/headgate/dist/src/cli/main.js"]
CMD ["worker"]
