# syntax=docker/dockerfile:1
# The image of realtime: one static binary, no shell, not root.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) -t realtime .
#
# The same sources, version and Go make the same binary, byte for byte.
ARG GO_VERSION=1.26

# The compiler runs on the builder's platform and compiles for the target's.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
# -buildvcs=false: the version comes from VERSION, and no .git is here.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/realtime . && \
    mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
LABEL org.opencontainers.image.title="realtime" \
      org.opencontainers.image.description="A WebSocket cluster: topics, rooms, direct messages, presence and history" \
      org.opencontainers.image.source="https://github.com/realtime-cluster/realtime" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /out/realtime /usr/local/bin/realtime
# Where realtime all keeps its data; the other roles write nothing.
COPY --from=build --chown=65532:65532 /out/data /data
ENV DATA_DIR=/data
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8081
# SIGTERM is what ends a role in good order.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/usr/local/bin/realtime", "health"]
ENTRYPOINT ["/usr/local/bin/realtime"]
CMD ["all"]
