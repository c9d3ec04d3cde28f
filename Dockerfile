# tenure in a container: one static binary, the certificates and time zones it needs, and nobody to log in as.
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t tenure .

# Built on the machine's own platform and cross-compiled, which Go does at full speed and emulation does not.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
# The modules first, in a layer that changes only when they do.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# The version comes as an argument since git's own record of it stays out of the build context.
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/tenure ./cmd/tenure \
    && mkdir -p /out/lib/mail

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/tenure /tenure
# A new named volume takes its owner from here; without it, it would be root's, and tenure could not write into it.
COPY --from=build --chown=nonroot:nonroot /out/lib /var/lib/tenure
# Where the embedded database goes if nothing else is said.
WORKDIR /var/lib/tenure
USER nonroot:nonroot
EXPOSE 8080
ENTRYPOINT ["/tenure"]
